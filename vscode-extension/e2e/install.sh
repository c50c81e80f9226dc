#!/bin/bash
# Installs code-server 4.100.3 (VS Code 1.100.3) into DIR from npm packages alone, without the downloads that its own
# install scripts attempt. Needs npm, a C++ compiler, make, python3 and ripgrep. Does nothing when it is there.
# usage: install.sh DIR
set -euo pipefail
DIR=$1 VERSION=4.100.3
[ -f "$DIR/installed-$VERSION" ] && exit 0
echo "npm installs code-server $VERSION into $DIR"
rm -rf "$DIR"; mkdir -p "$DIR"
export npm_config_nodedir=/usr npm_package_config_node_gyp_nodedir=/usr npm_config_audit=false npm_config_fund=false
echo '{"private":true}' > "$DIR/package.json"
npm install --loglevel error --prefix "$DIR" --ignore-scripts "code-server@$VERSION"
npm rebuild --loglevel error --prefix "$DIR" argon2
cd "$DIR/node_modules/code-server/lib/vscode"
npm install --loglevel error --omit=dev --ignore-scripts
(cd extensions && npm install --loglevel error --omit=dev --ignore-scripts)
(cd bin/remote-cli && ln -sf code-linux.sh code-server)
(cd bin/helpers && ln -sf browser-linux.sh browser.sh)
# These give the workbench its log files and its watchdog; it runs without them.
npm rebuild --loglevel error @vscode/spdlog @vscode/native-watchdog native-watchdog || true
mkdir -p node_modules/@vscode/ripgrep/bin
ln -sf "$(command -v rg)" node_modules/@vscode/ripgrep/bin/rg
touch "$DIR/installed-$VERSION"
