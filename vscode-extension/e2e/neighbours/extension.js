// Stands in for the extensions of Python, Pyright and Ruff, which the marketplace alone has: starts their real servers,
// which `MVM_NEIGHBOURS` names, with the same client library and for the same files as they do.
const { LanguageClient } = require('vscode-languageclient/node');

exports.activate = (context) => {
  for (const [name, command, ...args] of JSON.parse(process.env.MVM_NEIGHBOURS)) {
    const client = new LanguageClient(name, name, { command, args }, { documentSelector: [{ scheme: 'file', language: 'python' }] });
    context.subscriptions.push(client);
    void client.start();
  }
};
