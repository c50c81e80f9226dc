// VS Code's own workbench (code-server) with the packed extension, driven by a real browser.
import { spawn, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { chromium } from 'playwright-core';

const SETTINGS = {
  'telemetry.telemetryLevel': 'off',
  'workbench.startupEditor': 'none',
  'workbench.colorTheme': 'Default Dark Modern',
  'window.autoDetectColorScheme': false,
  'workbench.tips.enabled': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
  'workbench.editor.enablePreview': false,
  'workbench.editor.empty.hint': 'hidden',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'update.mode': 'none',
  'chat.commandCenter.enabled': false,
  'git.enabled': false,
  'files.autoSave': 'off',
  'editor.hover.delay': 100,
  'editor.minimap.enabled': false,
  'editor.autoClosingBrackets': 'never',
  'editor.autoClosingQuotes': 'never',
  'editor.quickSuggestions': { other: 'off', comments: 'off', strings: 'off' },
  'editor.suggestOnTriggerCharacters': false,
  'editor.parameterHints.enabled': false,
};

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Far beyond what anything takes here, on a machine that does much else; less for who waits for it. */
const PATIENCE = Number(process.env.MVM_PATIENCE ?? 240) * 1000;
/** After so long something is asked for once more, where asking too early is answered with nothing. */
const AGAIN = 8000;

/** Waits until something is so; says what did not come to pass, and why the last look failed. */
export async function eventually(what, condition, limit = PATIENCE) {
  const end = Date.now() + limit;
  let why = '';
  for (;;) {
    const value = await Promise.resolve().then(condition).catch((error) => {
      why = `: ${error.message.slice(0, 500)}`;
    });
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`${what} did not come to pass${why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A directory of links to every program on PATH but some: a machine that does not have these. */
function pathWithout(programs, path, into) {
  mkdirSync(into);
  for (const directory of path.filter((one) => existsSync(one))) {
    for (const name of readdirSync(directory)) {
      if (!programs.test(name) && !existsSync(join(into, name))) {
        symlinkSync(join(directory, name), join(into, name));
      }
    }
  }
  return [into];
}

const INPUT = '.quick-input-widget input.input';

export class Workbench {
  /** Starts everything on a copy of a folder. */
  static async start({ codeServer, vsix, examples, extensions = [], settings = {}, lacks, environment = {}, artefacts, cache, trust = false }) {
    const self = new Workbench();
    self.root = mkdtempSync(join(tmpdir(), 'mvm-e2e-'));
    self.folder = join(self.root, 'examples');
    self.data = join(self.root, 'xdg/data');
    self.artefacts = artefacts;
    mkdirSync(artefacts, { recursive: true });
    cpSync(examples, self.folder, { recursive: true });
    const entry = join(codeServer, 'node_modules/code-server/out/node/entry.js');
    const user = join(self.root, 'user');
    mkdirSync(join(user, 'User'), { recursive: true });
    writeFileSync(join(self.root, 'config.yaml'), 'auth: none\n');
    const all = { ...SETTINGS, 'security.workspace.trust.enabled': trust, 'security.workspace.trust.startupPrompt': 'never', ...settings };
    writeFileSync(join(user, 'User/settings.json'), JSON.stringify(all));
    const common = [entry, '--config', join(self.root, 'config.yaml'), '--user-data-dir', user, '--extensions-dir', join(self.root, 'ext')];
    const installed = [vsix, ...extensions].flatMap((one) => ['--install-extension', one]);
    execFileSync(process.execPath, [...common, ...installed], { stdio: ['ignore', 'ignore', 'inherit'] });
    const port = await freePort();
    const flags = ['--bind-addr', `127.0.0.1:${port}`, '--auth', 'none', '--disable-telemetry', '--disable-update-check', '--disable-getting-started-override'];
    if (!trust) {
      flags.push('--disable-workspace-trust');
    }
    // A server of the machine's own is not what is tested here; guests' layers are shared with the other suites.
    let path = process.env.PATH.split(delimiter).filter((one) => !existsSync(join(one, 'mvm-lsp')));
    if (lacks) {
      path = pathWithout(lacks, path, join(self.root, 'path'));
    }
    self.bin = join(self.root, 'bin');
    mkdirSync(self.bin);
    const env = {
      ...process.env,
      HOME: self.root,
      PATH: [self.bin, ...path].join(delimiter),
      // The editor does not ask a shell for its environment, which would have another PATH.
      VSCODE_CLI: '1',
      EXTENSIONS_GALLERY: '{"serviceUrl":""}',
      XDG_CACHE_HOME: cache,
      XDG_DATA_HOME: self.data,
      XDG_STATE_HOME: join(self.root, 'xdg/state'),
      ...environment,
    };
    delete env.MVM_HOME;
    self.server = spawn(process.execPath, [...common, ...flags, self.folder], { env, stdio: 'ignore', detached: true });
    self.base = `http://127.0.0.1:${port}`;
    await eventually('code-server answers', async () => (await fetch(`${self.base}/healthz`)).ok);
    self.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    const context = await self.browser.newContext({ viewport: { width: 1440, height: 900 } });
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: self.base });
    self.page = await context.newPage();
    self.page.setDefaultTimeout(PATIENCE);
    return self;
  }

  /** Shows a folder or a workspace file in the window; what was open is closed. */
  async show(path) {
    const kind = path.endsWith('.code-workspace') ? 'workspace' : 'folder';
    // Read before its file system is there, a workspace has no folders, and stays so: then the window is opened again.
    await eventually(`${path} is shown`, async () => {
      await this.page.goto(`${this.base}/?${kind}=${path}`);
      await this.page.waitForSelector('.monaco-workbench .part.editor');
      await this.page.locator('.part.statusbar').waitFor();
      return this.page.locator('.explorer-folders-view .monaco-list-row').first().waitFor({ timeout: 2 * AGAIN }).then(() => true);
    });
  }

  /** Makes a folder with files in it. */
  make(name, files) {
    const folder = join(this.root, name);
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    return folder;
  }

  async stop() {
    await this.browser?.close();
    if (this.server?.pid) {
      const ended = new Promise((resolve) => this.server.once('exit', resolve));
      try {
        process.kill(-this.server.pid, 'SIGTERM');
        await ended;
      } catch {
        // It has ended by itself.
      }
    }
    await eventually('no server is left', () => this.servers().length === 0);
    rmSync(this.root, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
  }

  /** Brings the window back to where the next test can begin. */
  async tidy() {
    for (let i = 0; i < 3; i += 1) {
      await this.page.keyboard.press('Escape');
    }
    await this.command('View: Revert and Close Editor').catch(() => undefined);
    await this.command('Notifications: Clear All Notifications');
  }

  /** Opens the window's input with a key and fills it; once more when the key was lost to what was just closing. */
  async quick(key, text) {
    const input = this.page.locator(INPUT);
    await eventually(`an input after ${key}`, async () => {
      await this.page.keyboard.press(key);
      await input.waitFor({ timeout: AGAIN });
      await input.fill(text, { timeout: AGAIN });
      return true;
    });
    return input;
  }

  /** Leaves the input without a choice. */
  async leave() {
    await this.page.keyboard.press('Escape');
    await this.page.locator(INPUT).waitFor({ state: 'hidden' });
  }

  /** Gives a command; its `input` is gone afterwards, unless the command asks for something there. */
  async command(title, input = 'hidden') {
    const row = this.page.locator('.quick-input-list .monaco-list-row').first();
    // What is offered depends on what the extension knows when the list is made: make it again until it is there.
    await eventually(`the command ${title}`, async () => {
      await this.quick('F1', `>${title}`);
      const there = async () => (await row.innerText({ timeout: 1000 })).split('\n')[0].trim() === title;
      const found = await eventually(title, there, AGAIN).catch(() => false);
      if (!found) {
        await this.leave();
      }
      return found;
    });
    await this.page.keyboard.press('Enter');
    await this.page.locator(INPUT).waitFor({ state: input });
  }

  /** Is a command offered in the palette? */
  async offers(title) {
    await this.quick('F1', `>${title}`);
    const rows = this.page.locator('.quick-input-list .monaco-list-row');
    await rows.first().waitFor();
    const offered = (await rows.allInnerTexts()).some((text) => text.startsWith(title));
    await this.leave();
    return offered;
  }

  /** Opens a file of the folder, in the first group. */
  async open(name) {
    const file = name.split('/').pop();
    const row = this.page.locator('.quick-input-list .monaco-list-row').first().filter({ hasText: file });
    // The list of files is made while the window starts: ask again until it has the file.
    await eventually(`${name} is found`, async () => {
      await this.page.keyboard.press('Control+1');
      await this.quick('Control+P', name);
      return row.waitFor({ timeout: AGAIN }).then(() => true, () => this.leave());
    });
    await this.page.keyboard.press('Enter');
    await this.page.locator(`.tab.active[data-resource-name="${file}"]`).first().waitFor();
    await this.page.locator('.editor-group-container.active .monaco-editor .view-line').first().waitFor();
  }

  /** Puts the cursor somewhere in the active editor: line and column from 1. */
  async goTo(line, column) {
    const input = await this.quick('Control+G', `:${line}:${column}`);
    await this.page.keyboard.press('Enter');
    await input.waitFor({ state: 'hidden' });
    await eventually('the cursor is there', async () => (await this.cursor()).includes(`Ln ${line}, Col ${column}`));
  }

  /** Puts the cursor into a text of a file, which is the active one. */
  async goInto(path, text) {
    const lines = readFileSync(join(this.folder, path), 'utf8').split('\n');
    const line = lines.findIndex((one) => one.includes(text));
    await this.goTo(line + 1, lines[line].indexOf(text) + 2);
    return line + 1;
  }

  cursor() {
    return this.page.locator('.statusbar-item', { hasText: /^Ln / }).innerText({ timeout: 2000 });
  }

  /** What is on disk of the active file, once it is saved. */
  async saved(path) {
    // An edit that comes after the key needs the key once more.
    await eventually(`${path} is saved`, async () => {
      await this.page.keyboard.press('Control+S');
      await this.page.locator('.tab.active.dirty').waitFor({ state: 'hidden', timeout: AGAIN });
      return true;
    });
    return readFileSync(path, 'utf8');
  }

  /** The frame of the preview's page, if it is open. */
  async frame() {
    for (const frame of this.page.frames()) {
      if (await frame.locator('#page header, #page [role=alert]').count().catch(() => 0)) {
        return frame;
      }
    }
    return undefined;
  }

  /** The same, opened for the active file when it is not. */
  async preview() {
    if (!(await this.frame())) {
      await this.command('mvm: Show Workload IR');
    }
    return eventually('the preview is there', () => this.frame());
  }

  shows(frame, text, limit) {
    return eventually(`the preview shows ${text}`, async () => (await frame.locator('#page').innerText()).includes(text), limit);
  }

  /** The status item's words. */
  status() {
    return this.page.locator('[id="mvm-lsp.mvm.mvm.status"]').innerText({ timeout: 2000 });
  }

  /** The status item's colour: `error`, `warning` or nothing. */
  async colour() {
    const classes = await this.page.locator('[id="mvm-lsp.mvm.mvm.status"]').getAttribute('class');
    return /(error|warning)-kind/.exec(classes)?.[1];
  }

  /** A notification that holds a text: shown, or in the list when it has been hidden or waits for its turn. */
  async notification(text) {
    const found = this.page.locator('.notifications-toasts .notification-toast, .notifications-center .notification-list-item', { hasText: text }).first();
    const there = () => found.waitFor({ timeout: AGAIN }).then(() => true, () => false);
    if (!(await there())) {
      await eventually(`a notification ${text}`, async () => {
        await this.command('Notifications: Show Notifications');
        return there();
      });
    }
    return found;
  }

  /** What the panel below the editors shows: the text of its editor. */
  async panel() {
    const lines = await this.page.locator('.part.panel .view-line').allInnerTexts();
    return lines.join('\n').replaceAll('\u00a0', ' ');
  }

  /** Asks for something until it is there: what is asked for before the server is ready is answered with nothing. */
  async asked(what, ask, locator) {
    return eventually(what, async () => {
      await ask();
      return locator.first().waitFor({ timeout: AGAIN }).then(() => true, async () => {
        await this.page.keyboard.press('Escape');
        return false;
      });
    });
  }

  async press(toast, label) {
    await toast.hover();
    await toast.locator('.monaco-button', { hasText: label }).first().click();
  }

  quiet() {
    return this.command('Notifications: Clear All Notifications');
  }

  async screenshot(name) {
    await this.page.screenshot({ path: join(this.artefacts, `${name}.png`) });
  }

  /** Process ids of the servers that this workbench runs. */
  servers() {
    return this.processes('mvm-lsp').map((one) => one.pid);
  }

  /** Processes of ours by the name of their program. */
  processes(name) {
    const found = [];
    for (const pid of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        if (command[0].endsWith(`/${name}`) && environment.includes(`HOME=${this.root}\0`)) {
          found.push({ pid: Number(pid), path: command[0] });
        }
      } catch {
        // It ended while we looked.
      }
    }
    return found;
  }
}
