// VS Code's own workbench (code-server) with the packed extension, driven by a real browser.
import { spawn, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const SETTINGS = {
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'workbench.startupEditor': 'none',
  'workbench.colorTheme': 'Default Dark Modern',
  'window.autoDetectColorScheme': false,
  'workbench.tips.enabled': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
  'workbench.editor.enablePreview': false,
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

/** Waits until something is so; says what did not come to pass. */
export async function eventually(what, condition, limit = 60_000) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await Promise.resolve(condition()).catch(() => undefined);
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`${what} did not come to pass`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Workbench {
  /** Starts everything on a copy of a folder. */
  static async start({ codeServer, vsix, folder, settings = {}, environment = {}, artefacts }) {
    const self = new Workbench();
    self.root = mkdtempSync(join(tmpdir(), 'mvm-e2e-'));
    self.folder = join(self.root, 'examples');
    self.artefacts = artefacts;
    mkdirSync(artefacts, { recursive: true });
    cpSync(folder, self.folder, { recursive: true });
    const entry = join(codeServer, 'node_modules/code-server/out/node/entry.js');
    const data = join(self.root, 'data');
    mkdirSync(join(data, 'User'), { recursive: true });
    writeFileSync(join(self.root, 'config.yaml'), 'auth: none\n');
    writeFileSync(join(data, 'User/settings.json'), JSON.stringify({ ...SETTINGS, ...settings }));
    const common = [entry, '--config', join(self.root, 'config.yaml'), '--user-data-dir', data, '--extensions-dir', join(self.root, 'ext')];
    execFileSync(process.execPath, [...common, '--install-extension', vsix], { stdio: 'ignore' });
    const port = await freePort();
    const flags = ['--bind-addr', `127.0.0.1:${port}`, '--auth', 'none', '--disable-telemetry', '--disable-update-check', '--disable-workspace-trust', '--disable-getting-started-override'];
    const env = { ...process.env, HOME: self.root, EXTENSIONS_GALLERY: '{"serviceUrl":""}', ...environment };
    self.server = spawn(process.execPath, [...common, ...flags, self.folder], { env, stdio: 'ignore', detached: true });
    self.base = `http://127.0.0.1:${port}`;
    await eventually('code-server answers', async () => (await fetch(`${self.base}/healthz`)).ok);
    self.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    self.page = await self.browser.newPage({ viewport: { width: 1440, height: 900 } });
    await self.page.goto(`${self.base}/?folder=${self.folder}`);
    await self.page.waitForSelector('.monaco-workbench', { timeout: 120_000 });
    return self;
  }

  async stop() {
    await this.browser?.close();
    if (this.server?.pid) {
      try {
        process.kill(-this.server.pid, 'SIGTERM');
      } catch {
        // It has ended by itself.
      }
    }
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  async command(title) {
    await this.page.keyboard.press('F1');
    const input = this.page.locator('.quick-input-widget input.input');
    await input.waitFor();
    await input.fill(`>${title}`);
    const first = this.page.locator('.quick-input-list .monaco-list-row').first();
    await first.filter({ hasText: title.split(': ').pop() }).waitFor();
    await this.page.keyboard.press('Enter');
  }

  /** Opens a file of the folder, in the first group. */
  async open(name) {
    await this.page.keyboard.press('Control+1');
    await this.page.keyboard.press('Control+P');
    const input = this.page.locator('.quick-input-widget input.input');
    await input.waitFor();
    await input.fill(name);
    await this.page.locator('.quick-input-list .monaco-list-row').first().filter({ hasText: name.split('/').pop() }).waitFor();
    await this.page.keyboard.press('Enter');
    await this.page.locator(`.tab.active[data-resource-name="${name.split('/').pop()}"]`).first().waitFor();
  }

  /** Puts the cursor somewhere in the active editor: line and column from 1. */
  async goTo(line, column) {
    await this.page.keyboard.press('Control+G');
    const input = this.page.locator('.quick-input-widget input.input');
    await input.waitFor();
    await input.fill(`:${line}:${column}`);
    await this.page.keyboard.press('Enter');
    await input.waitFor({ state: 'hidden' });
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

  shows(frame, text) {
    return eventually(`the preview shows ${text}`, async () => (await frame.locator('#page').innerText()).includes(text));
  }

  /** The status item's words. */
  status() {
    return this.page.locator('[id="mvm-lsp.mvm.mvm.status"]').innerText({ timeout: 2000 });
  }

  async screenshot(name) {
    await this.page.screenshot({ path: join(this.artefacts, `${name}.png`) });
  }

  /** Process ids of the servers that this workbench runs. */
  servers() {
    const found = [];
    for (const pid of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        if (command.split('\0')[0].endsWith('mvm-lsp') && environment.includes(`HOME=${this.root}\0`)) {
          found.push(Number(pid));
        }
      } catch {
        // It ended while we looked.
      }
    }
    return found;
  }
}
