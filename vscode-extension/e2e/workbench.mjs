// VS Code's own workbench (code-server) with the packed extension, driven by a real browser.
import { spawn, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { chromium } from 'playwright-core';
import { PATIENCE, eventually } from './waiting.mjs';
import { Window } from './window.mjs';

export { eventually };

/** A workbench that has not answered by then is not waited for. */
const COMES_UP = 120_000;

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

/** Extensions are installed once for all workbenches that have the same. */
const installed = new Map();

export function install({ codeServer, vsix, inside, extensions = [] }) {
  const entry = join(codeServer, 'node_modules/code-server/out/node/entry.js');
  const all = [vsix, inside, ...extensions];
  const key = all.join();
  if (!installed.has(key)) {
    const root = mkdtempSync(join(tmpdir(), 'mvm-e2e-extensions-'));
    process.once('exit', () => rmSync(root, { recursive: true, force: true }));
    const flags = ['--user-data-dir', join(root, 'user'), '--extensions-dir', join(root, 'ext')];
    execFileSync(process.execPath, [entry, ...flags, ...all.flatMap((one) => ['--install-extension', one])], { stdio: ['ignore', 'ignore', 'inherit'] });
    installed.set(key, join(root, 'ext'));
  }
  return installed.get(key);
}

export class Workbench extends Window {
  /** Starts everything on a copy of a folder. What never came up at all is tried once more; nothing else is. */
  static async start(options) {
    for (let tries = 2; ; tries -= 1) {
      const self = new Workbench();
      try {
        await self.begun(options);
        return self;
      } catch (error) {
        console.log(`     the workbench did not come up: ${error.message}\n${await self.seen(`no-workbench-${tries}`)}`);
        await self.stop();
        if (tries === 1) {
          throw error;
        }
      }
    }
  }

  async begun(options) {
    const { codeServer, examples, settings = {}, lacks, environment = {}, artefacts, cache, trust = false } = options;
    this.console = [];
    this.examples = examples;
    this.artefacts = artefacts;
    this.root = mkdtempSync(join(tmpdir(), 'mvm-e2e-'));
    this.folder = join(this.root, 'examples');
    this.data = join(this.root, 'xdg/data');
    mkdirSync(artefacts, { recursive: true });
    cpSync(examples, this.folder, { recursive: true });
    const entry = join(codeServer, 'node_modules/code-server/out/node/entry.js');
    this.extensions = install(options);
    const user = join(this.root, 'user');
    mkdirSync(join(user, 'User'), { recursive: true });
    writeFileSync(join(this.root, 'config.yaml'), 'auth: none\n');
    const all = { ...SETTINGS, 'security.workspace.trust.enabled': trust, 'security.workspace.trust.startupPrompt': 'never', ...settings };
    writeFileSync(join(user, 'User/settings.json'), JSON.stringify(all));
    const port = await freePort();
    const flags = ['--config', join(this.root, 'config.yaml'), '--user-data-dir', user, '--extensions-dir', this.extensions, '--bind-addr', `127.0.0.1:${port}`, '--auth', 'none', '--disable-telemetry', '--disable-update-check', '--disable-getting-started-override'];
    if (!trust) {
      flags.push('--disable-workspace-trust');
    }
    // A server of the machine's own is not what is tested here; guests' layers are shared with the other suites.
    let path = process.env.PATH.split(delimiter).filter((one) => !existsSync(join(one, 'mvm-lsp')));
    if (lacks) {
      path = pathWithout(lacks, path, join(this.root, 'path'));
    }
    this.bin = join(this.root, 'bin');
    mkdirSync(this.bin);
    const env = {
      ...process.env,
      HOME: this.root,
      PATH: [this.bin, ...path].join(delimiter),
      // The editor does not ask a shell for its environment, which would have another PATH.
      VSCODE_CLI: '1',
      EXTENSIONS_GALLERY: '{"serviceUrl":""}',
      MVM_INSIDE: this.root,
      XDG_CACHE_HOME: cache,
      XDG_DATA_HOME: this.data,
      XDG_STATE_HOME: join(this.root, 'xdg/state'),
      ...environment,
    };
    delete env.MVM_HOME;
    this.server = spawn(process.execPath, [entry, ...flags, this.folder], { env, stdio: 'ignore', detached: true });
    process.once('exit', () => this.kill());
    this.base = `http://127.0.0.1:${port}`;
    await eventually('code-server answers', async () => (await fetch(`${this.base}/healthz`)).ok, COMES_UP);
    this.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 } });
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: this.base });
    this.page = await context.newPage();
    this.page.setDefaultTimeout(PATIENCE);
    this.page.on('console', (message) => message.type() === 'error' && this.console.push(message.text().slice(0, 300)));
    this.page.on('dialog', (dialog) => void dialog.accept().catch(() => undefined));
    await this.show(this.folder);
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

  /** Brings window and examples back to where every test begins. */
  async begin() {
    await this.clear();
    // What is as it was is left alone: nobody is told of a change.
    const bytes = (folder, file) => readFileSync(join(folder, file)).toString('latin1');
    for (const file of readdirSync(this.folder, { recursive: true, withFileTypes: true })) {
      const name = relative(this.folder, join(file.parentPath, file.name));
      if (!existsSync(join(this.examples, name))) {
        rmSync(join(this.folder, name), { recursive: true, force: true });
      } else if (file.isFile() && bytes(this.folder, name) !== bytes(this.examples, name)) {
        cpSync(join(this.examples, name), join(this.folder, name));
      }
    }
  }

  /** Ends code-server with all that it started; `false` when it has ended. */
  kill() {
    try {
      return this.server?.pid !== undefined && this.server.exitCode === null && this.server.signalCode === null && process.kill(-this.server.pid, 'SIGTERM');
    } catch {
      return false;
    }
  }

  async stop() {
    await this.browser?.close();
    const ended = new Promise((resolve) => this.server?.once('exit', resolve));
    if (this.kill()) {
      await ended;
    }
    // What a test that failed has left behind.
    this.processes('mvm-supervisor').forEach(({ pid }) => process.kill(pid, 'SIGTERM'));
    await eventually('no server is left', () => this.servers().length === 0);
    rmSync(this.root, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 });
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
