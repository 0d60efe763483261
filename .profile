# Heroku sources this before every process. Its Python buildpack installs what requirements.txt
# names but not the project itself, so the command of the Procfile is made here.
mkdir -p "$HOME/.bin"
printf '#!/bin/sh\nexec python -m admin.cli "$@"\n' > "$HOME/.bin/holdfast"
chmod +x "$HOME/.bin/holdfast"
export PATH="$HOME/.bin:$PATH"
