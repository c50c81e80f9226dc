// What tests do in a window: as its user, with mouse and keys; and through the extension `inside` what is only set-up.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AGAIN, eventually } from './waiting.mjs';

const INPUT = '.quick-input-widget input.input';
const FOCUSED = '.editor-group-container.active .monaco-editor.focused';

export class Window {
  /** Asks the extension `inside`. */
  async ask(action, given) {
    const body = JSON.stringify({ action, given });
    const response = await fetch(`http://127.0.0.1:${this.inside.port}`, { method: 'POST', body, signal: AbortSignal.timeout(60_000) });
    const { value, error } = await response.json();
    if (error) {
      throw new Error(`inside, ${action}: ${error}`);
    }
    return value;
  }

  /** Gives one of the editor's own commands. */
  run(command, ...given) {
    return this.ask('run', { command, given });
  }

  /** Waits for the window that comes after another one, and for its folders. */
  async arrived(before) {
    await eventually('the window answers from inside', () => {
      const now = JSON.parse(readFileSync(join(this.root, 'window.json'), 'utf8'));
      this.inside = now;
      return now.window !== before;
    });
    return this.ask('folders');
  }

  /** Shows a folder or a workspace file in the window; what was open is closed. */
  async show(path) {
    const kind = path.endsWith('.code-workspace') ? 'workspace' : 'folder';
    // Read before its file system is there, a workspace has no folders, and stays so: then the window is opened again.
    await eventually(`${path} is shown`, async () => {
      const before = this.inside?.window;
      await this.page.goto(`${this.base}/?${kind}=${path}`);
      await this.page.waitForSelector('.monaco-workbench .part.editor');
      await this.page.locator('.part.statusbar').waitFor();
      return (await this.arrived(before)).length > 0;
    });
    await this.clear(); // It remembers what was open when it was shown last.
  }

  /** Closes everything that is open. */
  async clear() {
    await this.ask('reset');
    await eventually('no preview is left', async () => !(await this.frame()));
  }

  /** The same where it is not shown yet. */
  async in(folder) {
    if (!(await this.ask('folders')).includes(folder)) {
      await this.show(folder);
    }
  }

  /** Opens a file of the folder, in the first group, and gives it the focus. */
  async open(name) {
    const file = name.split('/').pop();
    const path = (await this.ask('folders')).map((folder) => join(folder, name)).find((one) => existsSync(one));
    if (path === undefined) {
      throw new Error(`${name} is in none of the folders`);
    }
    await eventually(`${name} is open`, async () => {
      await this.ask('open', { path });
      await this.page.locator(`.tab.active[data-resource-name="${file}"]`).first().waitFor({ timeout: AGAIN });
      return this.page.locator(`${FOCUSED} .view-line`).first().waitFor({ timeout: AGAIN }).then(() => true);
    });
  }

  /** Puts the cursor somewhere in the active editor: line and column from 1. */
  async goTo(line, column) {
    await this.ask('select', { line: line - 1, column: column - 1 });
    await eventually('the cursor is there', async () => (await this.cursor()).includes(`Ln ${line}, Col ${column}`));
    await this.page.locator(FOCUSED).waitFor();
  }

  /** Puts the cursor into a text of a file of the examples, which is the active one. */
  async goInto(path, text) {
    const lines = readFileSync(join(this.folder, path), 'utf8').split('\n');
    const line = lines.findIndex((one) => one.includes(text));
    await this.goTo(line + 1, lines[line].indexOf(text) + 2);
    return line + 1;
  }

  cursor() {
    return this.page.locator('.statusbar-item', { hasText: /^Ln / }).innerText({ timeout: 2000 });
  }

  revert() {
    return this.run('workbench.action.files.revert');
  }

  hidePanel() {
    return this.run('workbench.action.closePanel');
  }

  quiet() {
    return this.run('notifications.clearAll');
  }

  /** Changes the theme, and waits until the preview's page has it. */
  async theme(name, frame, kind) {
    await this.ask('configure', { key: 'workbench.colorTheme', value: name });
    await eventually(`the page is ${kind}`, async () => (await frame.locator('body').getAttribute('class')).split(' ').includes(`vscode-${kind}`));
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

  /** Finds a file by its name, as a user does. */
  async find(name) {
    const row = this.page.locator('.quick-input-list .monaco-list-row').first().filter({ hasText: name });
    // The list of files is made while the window starts: ask again until it has the file.
    await eventually(`${name} is found`, async () => {
      await this.quick('Control+P', name);
      return row.waitFor({ timeout: AGAIN }).then(() => true, () => this.leave());
    });
    await this.page.keyboard.press('Enter');
    await this.page.locator(`${FOCUSED} .view-line`).first().waitFor();
  }

  /** Gives a command in the palette, whose input is gone afterwards. */
  async command(title) {
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
    await this.page.locator(INPUT).waitFor({ state: 'hidden' });
  }

  /** Gives a command that asks for something in a list, and waits until what it offers is so; once more when the list was
   * closed by something else that took the focus. */
  async listed(title, so) {
    const rows = this.page.locator('.quick-input-list .monaco-list-row');
    const texts = async () => (await rows.allInnerTexts()).map((text) => text.trim());
    await eventually(`what ${title} offers`, async () => {
      await this.quick('F1', `>${title}`);
      await eventually(title, async () => (await texts())[0]?.split('\n')[0].trim() === title, AGAIN);
      await this.page.keyboard.press('Enter');
      return eventually('a list', async () => so(await texts()), AGAIN);
    });
    return rows;
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
        await this.run('notifications.showList');
        return there();
      });
    }
    return found;
  }

  async press(toast, label) {
    await toast.hover();
    await toast.locator('.monaco-button', { hasText: label }).first().click();
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

  async screenshot(name) {
    const path = join(this.artefacts, `${name}.png`);
    await this.page.screenshot({ path });
    return path;
  }

  /** The end of what the extension has logged. */
  logs() {
    const directory = join(this.root, 'user/logs');
    const files = readdirSync(directory, { recursive: true }).filter((one) => /mvm( server)?\.log$/.test(one));
    return files.map((one) => `${one}\n${readFileSync(join(directory, one), 'utf8').split('\n').slice(-25).join('\n')}`).join('\n');
  }

  /** Everything there is to see, for who looks into a failure. */
  async seen(name) {
    const told = async (what, make) => `--- ${what}\n${await Promise.resolve().then(make).catch((error) => `cannot be told: ${error.message}`)}`;
    const frames = async () => {
      const texts = await Promise.all(this.page.frames().map((frame) => frame.locator('#page').innerText({ timeout: 2000 }).catch(() => '')));
      return texts.filter((one) => one.trim() !== '').map((one) => one.slice(0, 1500)).join('\n---- another frame\n');
    };
    const parts = [
      await told('screenshot', () => this.screenshot(name)),
      await told('the window', async () => (await this.page.locator('body').innerText({ timeout: 5000 })).replaceAll(/\n\s*\n/g, '\n').slice(0, 3000)),
      await told('its pages', frames),
      await told('from inside', async () => JSON.stringify(await this.ask('state'), null, 1)),
      await told('processes', () => ['mvm-lsp', 'mvmctl', 'mvm-supervisor'].map((one) => `${one}: ${this.processes(one).map(({ pid }) => pid).join(' ')}`).join('\n')),
      await told("the server's log", () => this.logs()),
      await told('the console', () => this.console.slice(-15).join('\n')),
    ];
    return parts.join('\n');
  }
}
