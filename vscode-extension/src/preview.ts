/** The preview pane: the page beside the source that shows what a file becomes, live. One pane, of the last file. It is
 * there again after the window is reloaded. */

import { randomBytes } from 'node:crypto';

import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';

import { entryFor, pointerAt } from './ir';
import type { Findings, FromPage, Position, Range, ShownForm, ShownResult, ToPage, WorkloadIr, WorkloadIrChanged } from './protocol';
import type { Server } from './server';

const plainAt = ({ line, character }: vscode.Position): Position => ({ line, character });
/** As the page reads it: the editor's own ranges go over as lists. */
const plainRange = ({ start, end }: vscode.Range): Range => ({ start: plainAt(start), end: plainAt(end) });
const toRange = (r: Range): vscode.Range => new vscode.Range(r.start.line, r.start.character, r.end.line, r.end.character);

const TYPE = 'mvm.preview';

export class Preview implements vscode.Disposable, vscode.WebviewPanelSerializer {
  private panel: vscode.WebviewPanel | undefined;
  private shown: { uri: vscode.Uri; answer: WorkloadIr | undefined } | undefined;
  private readonly results = new Map<string, ShownResult>();
  private readonly forms = new Map<string, ShownForm>();
  /** A form that waits for the page to be there. */
  private asked: ShownForm | undefined;
  private ready = false;
  /** What runs, by file. */
  private readonly underWay = new Map<string, string>();
  private readonly mark = vscode.window.createTextEditorDecorationType({
    backgroundColor: new vscode.ThemeColor('editor.rangeHighlightBackground'),
  });
  private readonly subscriptions: { dispose(): unknown }[] = [];

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly server: Server,
  ) {
    server.onClient((client) => {
      this.subscriptions.push(client.onNotification('mvm/workloadIrChanged', (changed: WorkloadIrChanged) => this.changed(changed)));
    });
    this.subscriptions.push(
      this.mark,
      vscode.window.onDidChangeTextEditorSelection((event) => this.follow(event.textEditor)),
      vscode.window.onDidChangeActiveTextEditor((editor) => this.editorChanged(editor)),
      server.onDidChange(() => this.serverChanged()),
      vscode.languages.onDidChangeDiagnostics(() => this.count()),
      vscode.window.registerWebviewPanelSerializer(TYPE, this),
    );
  }

  dispose(): void {
    this.panel?.dispose();
    this.subscriptions.forEach((one) => void one.dispose());
  }

  /** Is the pane open, and of this file? */
  shows(uri: string): boolean {
    return this.panel !== undefined && this.shown?.uri.toString() === uri;
  }

  /** The file shown, where the pane has the focus. */
  get active(): vscode.Uri | undefined {
    return this.panel?.active === true ? this.shown?.uri : undefined;
  }

  /** Shows a file; opens the pane when it is closed. */
  async show(uri: vscode.Uri): Promise<void> {
    const client = await this.server.get();
    if (!client) {
      return;
    }
    this.panel ??= this.open();
    this.panel.reveal(undefined, true);
    await this.subscribe(client, uri);
  }

  /** Asks for the arguments of a call: the form calls `mvm.run` with them. */
  async ask(uri: vscode.Uri, form: ShownForm): Promise<void> {
    this.forms.set(uri.toString(), form);
    await this.show(uri);
    this.panel?.reveal(undefined, false);
    this.asked = form;
    this.offerForm();
  }

  private offerForm(): void {
    if (this.ready && this.asked) {
      this.post({ type: 'form', form: this.asked, focus: true });
      this.asked = undefined;
    }
  }

  /** Shows that something runs, when the pane is open. */
  running(uri: string, name: string): void {
    this.underWay.set(uri, name);
    this.postOf(uri, { type: 'running', name });
  }

  /** Shows how a build or run ended, when the pane is open. */
  result(uri: string, result: ShownResult): void {
    this.underWay.delete(uri);
    this.results.set(uri, result);
    this.postOf(uri, { type: 'running', name: undefined });
    this.postOf(uri, { type: 'result', result });
  }

  private postOf(uri: string, message: ToPage): void {
    if (this.shown?.uri.toString() === uri) {
      this.post(message);
    }
  }

  /** The window was reloaded with the pane in it: it shows its file again. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const uri = shownIn(state);
    if (uri === undefined || this.panel) {
      panel.dispose();
      return;
    }
    this.panel = this.adopt(panel);
    this.shown = { uri, answer: undefined };
    // The server reads what is open, and the pane may have been there without its file.
    await vscode.workspace.openTextDocument(uri).then(undefined, (error: unknown) => this.server.log.warn(String(error)));
    const client = await this.server.get();
    if (client) {
      await this.subscribe(client, uri);
    } else {
      this.gone(this.server.problem);
    }
  }

  private open(): vscode.WebviewPanel {
    return this.adopt(vscode.window.createWebviewPanel(TYPE, 'Workload IR', { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true }, { enableFindWidget: true }));
  }

  private adopt(panel: vscode.WebviewPanel): vscode.WebviewPanel {
    const root = vscode.Uri.joinPath(this.context.extensionUri, 'dist');
    const icon = (theme: string): vscode.Uri => vscode.Uri.joinPath(this.context.extensionUri, 'media', 'icons', `preview-${theme}.svg`);
    panel.iconPath = { light: icon('light'), dark: icon('dark') };
    panel.webview.options = { enableScripts: true, localResourceRoots: [root] };
    panel.webview.html = page(panel.webview, root);
    panel.webview.onDidReceiveMessage((message: FromPage) => this.received(message));
    panel.onDidDispose(() => this.closed());
    // Behind another tab the page is gone; it says so when it is there again.
    panel.onDidChangeViewState(() => (this.ready &&= panel.visible));
    return panel;
  }

  private closed(): void {
    this.panel = undefined;
    this.ready = false;
    vscode.window.visibleTextEditors.forEach((editor) => editor.setDecorations(this.mark, []));
    const before = this.shown?.uri;
    this.shown = undefined;
    this.unsubscribe(this.server.current, before);
  }

  private async subscribe(client: LanguageClient, uri: vscode.Uri): Promise<void> {
    // At once: whoever asks next, while the server is still asked, is the last, and has the last word.
    const before = this.shown?.uri;
    if (before?.toString() !== uri.toString()) {
      this.shown = { uri, answer: undefined };
      this.unsubscribe(client, before);
    }
    try {
      const answer = await client.sendRequest<WorkloadIr>('mvm/workloadIr', { textDocument: { uri: uri.toString() }, subscribe: true });
      this.changed({ ...answer, uri: uri.toString() });
    } catch (error) {
      this.gone(error instanceof Error ? error.message : String(error));
    }
  }

  private unsubscribe(client: LanguageClient | undefined, uri: vscode.Uri | undefined): void {
    if (client && uri) {
      const params = { textDocument: { uri: uri.toString() }, subscribe: false };
      client.sendRequest('mvm/workloadIr', params).catch((error: unknown) => this.server.log.warn(String(error)));
    }
  }

  private changed(changed: WorkloadIrChanged): void {
    if (this.shown?.uri.toString() !== vscode.Uri.parse(changed.uri).toString()) {
      return;
    }
    this.shown.answer = changed;
    this.refresh();
  }

  private refresh(): void {
    if (!this.shown?.answer) {
      return;
    }
    const { uri, answer } = this.shown;
    this.post({ type: 'ir', uri: uri.toString(), file: vscode.workspace.asRelativePath(uri), answer });
    this.count();
    const [form, result] = [this.forms.get(uri.toString()), this.results.get(uri.toString())];
    if (form) {
      this.post({ type: 'form', form, focus: false });
    }
    if (result) {
      this.post({ type: 'result', result });
    }
    this.post({ type: 'running', name: this.underWay.get(uri.toString()) });
    const editor = vscode.window.visibleTextEditors.find((one) => one.document.uri.toString() === uri.toString());
    if (editor) {
      this.follow(editor);
    }
  }

  /** Tells the page how many findings there are. */
  private count(): void {
    if (this.panel && this.shown?.answer) {
      this.post({ type: 'findings', ...findingsOf(this.shown.uri) });
    }
  }

  private gone(reason: string): void {
    if (this.shown) {
      this.post({ type: 'gone', file: vscode.workspace.asRelativePath(this.shown.uri), reason });
    }
  }

  private post(message: ToPage): void {
    void this.panel?.webview.postMessage(message);
  }

  private command(name: string, argument: object): void {
    if (this.shown) {
      void vscode.commands.executeCommand(name, { ...argument, uri: this.shown.uri.toString() });
    }
  }

  /** The cursor moved in the source: mark its value in the page. */
  private follow(editor: vscode.TextEditor): void {
    const follows = vscode.workspace.getConfiguration('mvm').get<boolean>('preview.followCursor', true);
    if (!this.panel || !follows || editor.document.uri.toString() !== this.shown?.uri.toString()) {
      return;
    }
    this.shown.answer?.workloads.forEach((workload, i) => {
      const pointer = pointerAt(workload.sourceMap, editor.selection.active);
      if (pointer !== undefined) {
        this.post({ type: 'reveal', workload: i, pointer });
      }
    });
  }

  private editorChanged(editor: vscode.TextEditor | undefined): void {
    if (this.panel && editor?.document.languageId === 'python' && editor.document.uri.toString() !== this.shown?.uri.toString()) {
      void this.server.get().then((client) => (client ? this.subscribe(client, editor.document.uri) : undefined));
    }
  }

  private serverChanged(): void {
    if (!this.panel || !this.shown) {
      return;
    }
    if (this.server.state === 'ready') {
      const { uri } = this.shown;
      void this.server.get().then((client) => (client ? this.subscribe(client, uri) : undefined));
    } else if (this.server.state === 'failed' || this.server.state === 'idle') {
      this.gone(this.server.problem || 'The server is stopped.');
    }
  }

  private received(message: FromPage): void {
    switch (message.type) {
      case 'ready':
        this.ready = true;
        this.refresh();
        if (this.shown && !this.shown.answer && this.server.state === 'failed') {
          this.gone(this.server.problem);
        }
        this.offerForm();
        break;
      case 'open':
        void this.reveal(message.workload, message.pointer);
        break;
      case 'copy':
        void vscode.env.clipboard.writeText(message.text);
        break;
      case 'call':
        this.command('mvm.run', { name: message.name, arguments: message.arguments, ...(message.function === undefined ? {} : { function: message.function }) });
        break;
      case 'again':
        this.command('mvm.runAgain', { name: message.name });
        break;
      case 'stop':
        this.command('mvm.stop', { name: message.name });
        break;
      case 'place':
        void this.goTo(toRange(message.range));
        break;
      case 'restart':
        void this.server.restart();
        break;
      case 'problems':
        void vscode.commands.executeCommand('workbench.actions.view.problems');
        break;
    }
  }

  /** Goes to where a value is written. */
  private async reveal(workload: number, pointer: string): Promise<void> {
    const map = this.shown?.answer?.workloads[workload]?.sourceMap;
    const entry = map && entryFor(map, pointer);
    if (entry) {
      await this.goTo(toRange(entry.range));
    }
  }

  private async goTo(range: vscode.Range): Promise<void> {
    if (!this.shown) {
      return;
    }
    const open = vscode.window.visibleTextEditors.find((one) => one.document.uri.toString() === this.shown?.uri.toString());
    const editor = await vscode.window.showTextDocument(this.shown.uri, { viewColumn: open?.viewColumn ?? vscode.ViewColumn.One });
    editor.selection = new vscode.Selection(range.start, range.start);
    editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
    editor.setDecorations(this.mark, [range]);
  }
}

/** The findings of ours that a file has: hints and information are none of them. */
export function findingsOf(uri: vscode.Uri): Findings {
  const { Error, Warning } = vscode.DiagnosticSeverity;
  const ours = vscode.languages.getDiagnostics(uri).filter((one) => one.source?.startsWith('mvm') === true && [Error, Warning].includes(one.severity));
  const errors = ours.filter((one) => one.severity === Error).length;
  const code = (one: vscode.Diagnostic): string => String(typeof one.code === 'object' ? one.code.value : one.code);
  return { errors, warnings: ours.length - errors, risks: ours.map((one) => ({ code: code(one), message: one.message, range: plainRange(one.range) })) };
}

/** The file that a page showed, by what it kept for itself. */
function shownIn(state: unknown): vscode.Uri | undefined {
  const { uri } = (state ?? {}) as { uri?: unknown };
  return typeof uri === 'string' ? vscode.Uri.parse(uri) : undefined;
}

/** The page: no script but its own, no style but its own, nothing from elsewhere. */
function page(webview: vscode.Webview, root: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64url');
  const at = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(root, name)).toString();
  const policy = `default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${at('webview.css')}">
<title>Workload IR</title>
</head>
<body>
<main id="page"><p>Waiting for the server…</p></main>
<script nonce="${nonce}" src="${at('webview.js')}"></script>
</body>
</html>`;
}
