"""``python -m tools.migrations "what changes"``: write the next step."""

from tools.migrations import main

main()
