#!/bin/sh
# The command token-console. A launcher that an installer writes would start Python plainly:
# then PYTHONPATH, the user's site directory and a sitecustomize in either run code before
# the first line of ours, with the responder's credentials in the environment. Isolated mode
# (-I) takes none of them, and a shell is what can ask for it before Python begins.
self=$(command -p readlink -f -- "$0") || exit 127
for python in "${self%/*}/python3" "${self%/*}/python"; do
    if [ -x "$python" ]; then
        exec "$python" -I -m console "$@"
    fi
done
echo "token-console: there is no Python beside $self" >&2
echo "  Install it into a virtual environment: python3 -m venv DIR && DIR/bin/pip install ..." >&2
exit 127
