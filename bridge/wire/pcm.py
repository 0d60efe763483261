"""Arithmetic on whole blocks of linear samples: the one place that knows where ``audioop`` is.

It left the standard library with Python 3.13, where ``audioop-lts`` is the same module, and warns
of that on 3.11 and 3.12. It works on bytes as they are: at our rates nothing else is as cheap.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

__all__ = ["audioop"]
