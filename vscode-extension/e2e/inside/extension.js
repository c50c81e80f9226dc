// The tests' own hand inside a window: opens files, puts the cursor somewhere, gives the editor's own commands, tells what
// the editor has, and sets everything back between tests. What a user of mvm does is done with mouse and keys instead.
const { randomUUID } = require('node:crypto');
const { renameSync, writeFileSync } = require('node:fs');
const { createServer } = require('node:http');
const { join } = require('node:path');
const vscode = require('vscode');

const run = (command, ...given) => vscode.commands.executeCommand(command, ...given);
const folders = () => (vscode.workspace.workspaceFolders ?? []).map((one) => one.uri.fsPath);

/** Takes changes back, closes every editor, the panel and every notification. */
async function reset() {
  await run('workbench.action.closeQuickOpen');
  for (const document of vscode.workspace.textDocuments.filter((one) => one.isDirty)) {
    await vscode.window.showTextDocument(document);
    await run('workbench.action.revertAndCloseActiveEditor');
  }
  await run('workbench.action.closeAllEditors');
  await run('workbench.action.closePanel');
  await run('workbench.view.explorer');
  await run('notifications.clearAll');
}

/** A file, in the first group or another. */
async function open({ path, group = vscode.ViewColumn.One }) {
  const editor = await vscode.window.showTextDocument(vscode.Uri.file(path), { viewColumn: group, preview: false });
  return editor.document.languageId;
}

/** Puts the cursor somewhere in the active editor; line and column from 0. */
function select({ line, column }) {
  const editor = vscode.window.activeTextEditor;
  const at = new vscode.Position(line, column);
  editor.selection = new vscode.Selection(at, at);
  editor.revealRange(new vscode.Range(at, at), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
}

async function state() {
  const editor = vscode.window.activeTextEditor;
  const uri = editor?.document.uri;
  const lenses = uri ? await run('vscode.executeCodeLensProvider', uri, 100) : [];
  return {
    folders: folders(),
    trusted: vscode.workspace.isTrusted,
    active: uri?.fsPath,
    at: editor?.selection.active,
    tabs: vscode.window.tabGroups.all.flatMap((group) => group.tabs.map((tab) => `${group.viewColumn}: ${tab.label}${tab.isActive ? ' (active)' : ''}`)),
    text: editor?.document.getText().slice(0, 2000),
    lenses: lenses.map((one) => one.command?.title),
    diagnostics: uri ? vscode.languages.getDiagnostics(uri).map((one) => `${one.range.start.line + 1}: ${one.source}: ${one.message}`).slice(0, 20) : [],
  };
}

async function configure({ key, value }) {
  await vscode.workspace.getConfiguration().update(key, value, vscode.ConfigurationTarget.Global);
}

const CAN = { reset, configure, open, select, state, folders, run: ({ command, given }) => run(command, ...given) };

exports.activate = (context) => {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', async () => {
      try {
        const { action, given } = JSON.parse(body);
        const value = await CAN[action](given);
        // What a command answers may be anything.
        response.end(JSON.stringify({ value: action === 'run' ? null : (value ?? null) }));
      } catch (error) {
        response.end(JSON.stringify({ error: String(error?.stack ?? error) }));
      }
    });
  });
  server.listen(0, '127.0.0.1', () => {
    const told = join(process.env.MVM_INSIDE, 'window.json');
    const temporary = `${told}.${process.pid}`;
    writeFileSync(temporary, JSON.stringify({ window: randomUUID(), port: server.address().port }));
    renameSync(temporary, told);
  });
  context.subscriptions.push({ dispose: () => server.close() });
};
