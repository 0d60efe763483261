# Two words on a fresh machine: make demo, make test. Each sets up what it needs by itself, from
# nothing but Python 3.11-3.13 with pip: on stock Debian plain "venv" and plain "pip install"
# both fail, so uv goes into a directory of its own first.

VENV     ?= .venv
VENV_313 ?= .venv-313
BOOT     ?= .boot
JOBS     ?= auto
ARGS     ?=

uv       := uv==0.13.9
py       := $(VENV)/bin/python
# The first of these that runs and is one we support. (A pyenv shim may exist and not run.)
fits     := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
where    := import sys; print(sys.executable)
find      = for p in $(1); do if "$$p" -c '$(fits)' 2>/dev/null; then "$$p" -c '$(where)'; break; fi; done
python   ?= $(shell $(call find,$(PYTHON) python3.11 python3.12 python3.13 python3))
find_313  = for p in python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3.13; do \
              if "$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; \
              then "$$p" -c '$(where)'; break; fi; done

.PHONY: help demo dev test test-here check lock clean

help:
	@echo "make demo    everything up, one spoken call, the appointment it booked"
	@echo "make dev     everything up until Ctrl-C; then, elsewhere: $(VENV)/bin/holdfast call cleaning"
	@echo "make test    the whole test suite on this Python, and on 3.13 where it is installed"
	@echo "make check   format, lint, types, import contracts"
	@echo "make lock    pin the dependencies of pyproject.toml anew"

demo: $(VENV)/.runtime
	@$(py) -m admin.cli demo $(ARGS)

dev: $(VENV)/.runtime
	@exec $(py) -m admin.cli dev $(ARGS)

test: test-here
	@other="$$($(find_313))"; \
	if [ -z "$$other" ]; then echo "no Python 3.13 here: tested on one Python only"; \
	elif $(py) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))'; then :; \
	else $(MAKE) --no-print-directory test-here VENV=$(VENV_313) python="$$other"; fi

test-here: $(VENV)/.tests
	$(py) -m pytest -n $(JOBS) --dist worksteal $(ARGS)

check: $(VENV)/.tests
	$(py) -m ruff format --check .
	$(py) -m ruff check .
	$(py) -m mypy
	$(VENV)/bin/lint-imports

# -- environments: a stamp says which lock a virtual environment was filled from ------------------

$(VENV)/.runtime: requirements.txt | $(VENV)/.made
	$(call install,requirements.txt)
	@touch $@

$(VENV)/.tests: tests/requirements.txt | $(VENV)/.made
	$(call install,tests/requirements.txt)
	@touch $@ $(VENV)/.runtime

define install
@echo "installing $(1) into $(VENV)"
@if [ -x $(BOOT)/bin/uv ]; \
then $(BOOT)/bin/uv pip install --quiet --python $(py) --require-hashes -r $(1); \
else $(py) -m pip install --quiet --require-hashes -r $(1); fi
endef

# The packages are found where they lie; nothing of ours is built or installed.
$(VENV)/.made: | $(BOOT)/.made
	@if [ -x $(BOOT)/bin/uv ]; \
	then $(BOOT)/bin/uv venv --quiet --clear --no-python-downloads --python "$(python)" $(VENV); \
	else PYTHONPATH=$(BOOT) "$(python)" -m virtualenv --quiet $(VENV); fi
	@echo '$(CURDIR)' > "$$($(py) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/holdfast.pth"
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m admin.cli "$$@"\n' > $(VENV)/bin/holdfast
	@chmod +x $(VENV)/bin/holdfast
	@touch $@

$(BOOT)/.made:
	@[ -n "$(python)" ] || { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=/path/to/it"; exit 1; }
	@echo "setting up with $(python)"
	@PIP_ROOT_USER_ACTION=ignore "$(python)" -m pip install --quiet --disable-pip-version-check --upgrade --target $(BOOT) $(uv) \
	|| PIP_ROOT_USER_ACTION=ignore "$(python)" -m pip install --quiet --upgrade --target $(BOOT) virtualenv
	@touch $@

lock: $(BOOT)/.made
	$(BOOT)/bin/uv pip compile pyproject.toml --universal --generate-hashes --no-header \
	  --quiet -o requirements.txt
	$(BOOT)/bin/uv pip compile pyproject.toml --all-extras --group dev -c requirements.txt \
	  --universal --generate-hashes --no-header --quiet -o tests/requirements.txt

clean:
	rm -rf $(VENV) $(VENV_313) $(BOOT) .make .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
