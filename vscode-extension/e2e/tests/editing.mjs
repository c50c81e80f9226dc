// What a developer sees while writing: findings, fixes, hovers, completions, the preview.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../waiting.mjs';

const RANGES = ['MVM0', 'MVM1', 'MVM2', 'MVM3', 'MVM4', 'MVM5', 'MVM6', 'MVM7', 'MVM8'];

/** No violation of the guidelines in the frame. */
export async function accessible(frame, axe, what) {
  await frame.evaluate(axe);
  const { violations } = await frame.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'] }));
  assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target).join(', ')}`), [], what);
}

/** Chooses a quick fix at the cursor. */
export async function fix(bench, words) {
  const row = bench.page.locator('.action-widget .monaco-list-row', { hasText: words }).first();
  // The menu holds what the server knew when it was opened: open it again until the fix is there.
  await eventually(`a fix ${words}`, async () => {
    await bench.page.keyboard.press('Control+.');
    return row.waitFor({ timeout: 5000 }).then(() => true, async () => {
      await bench.page.keyboard.press('Escape');
      return false;
    });
  });
  const chosen = bench.page.locator('.action-widget .monaco-list-row.focused', { hasText: words });
  await eventually(`the fix ${words} is chosen`, async () => {
    if ((await chosen.count()) === 1) {
      return true;
    }
    await bench.page.keyboard.press('ArrowDown');
    return false;
  });
  await bench.page.keyboard.press('Enter');
}

/** Last class of the page's body, and what brings it about. */
export const THEMES = { light: 'Default Light Modern', 'high-contrast': 'Default High Contrast', 'high-contrast-light': 'Default High Contrast Light', dark: 'Default Dark Modern' };

export const editing = ({ axe }) => ({
  async 'findings of every range are in Problems'(bench) {
    await bench.open('insecure/insecure.py');
    await bench.run('workbench.actions.view.problems');
    const rows = bench.page.locator('.markers-panel .monaco-list-row');
    const input = bench.page.locator('.markers-panel-action-filter-container input, .viewpane-filter input').first();
    for (const range of RANGES) {
      await input.fill(range);
      await eventually(`a finding ${range}xx`, async () => (await rows.filter({ hasText: range }).count()) > 0);
    }
    await input.fill('');
    await bench.screenshot('problems');
    await eventually('squiggles', async () => (await bench.page.locator('.squiggly-error, .squiggly-warning').count()) > 5);
    await bench.hidePanel();
  },

  async 'a helper tells about itself'(bench) {
    await bench.open('agent-tool/tool.py');
    await bench.goInto('agent-tool/tool.py', 'secret(');
    await bench.asked('a hover', () => bench.run('editor.action.showHover'), bench.page.locator('.monaco-hover-content', { hasText: 'secret' }));
    await bench.page.keyboard.press('Escape');
  },

  async 'arguments are completed'(bench) {
    await bench.open('hello/hello.py');
    await bench.goTo(4, 10);
    await bench.page.keyboard.type('resou');
    const row = bench.page.locator('.suggest-widget .monaco-list-row', { hasText: 'resources' }).first();
    await bench.asked('the argument is offered', () => bench.page.keyboard.press('Control+Space'), row);
    await row.click();
    await eventually('the argument is written', async () => (await bench.page.locator('.view-line', { hasText: 'resources=' }).count()) > 0);
    await bench.page.keyboard.press('Escape');
    await bench.revert();
  },

  async 'a fix is applied'(bench) {
    const folder = join(bench.folder, 'hello');
    await bench.open('hello/hello.py');
    await bench.goTo(4, 15);
    await bench.page.keyboard.press('Backspace');
    await eventually('the finding', async () => (await bench.page.locator('.squiggly-error').count()) > 0);
    await bench.goTo(4, 12);
    await fix(bench, 'image');
    await eventually('it is mended', async () => (await bench.page.locator('.squiggly-error').count()) === 0);
    assert.match(await bench.saved(join(folder, 'hello.py')), /@mvm\.app\(image=mvm/);
  },

  async 'a value in the source moves into the store, after a question'(bench) {
    const file = join(bench.folder, 'insecure/insecure.py');
    const stored = join(bench.data, 'mvm/secrets/openai-api-key');
    await bench.open('insecure/insecure.py');
    await bench.goInto('insecure/insecure.py', 'API_KEY,  #');
    await fix(bench, "Move this value to the host's store");
    const question = await bench.notification('secret store');
    assert.equal(existsSync(stored), false);
    await bench.press(question, 'Move to the Store');
    await bench.notification('is stored');
    const text = await bench.saved(file);
    assert.match(text, /"OPENAI_API_KEY": mvm\.secret\("openai-api-key"\)/);
    assert.doesNotMatch(text, /API_KEY = "sk-/);
    assert.match(readFileSync(stored, 'utf8'), /^sk-proj-NotARealKey/);
    await bench.quiet();
  },

  async 'the preview shows the IR and follows what is typed'(bench) {
    await bench.open('hello/hello.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"name": "hello"');
    const hash = await frame.locator('.hash').innerText();
    await bench.open('hello/hello.py');
    await bench.goTo(4, 10);
    await bench.page.keyboard.type('name="typed", ');
    await bench.shows(frame, '"name": "typed"');
    assert.notEqual(await frame.locator('.hash').innerText(), hash);
    await bench.screenshot('preview');
    await bench.page.keyboard.type('(');
    await bench.shows(frame, 'incomplete');
    await bench.revert();
  },

  async 'the cursor is followed both ways'(bench) {
    await bench.open('agent-tool/tool.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"memory_mb": 512');
    const line = await bench.goInto('agent-tool/tool.py', '512');
    await eventually('the value is marked', async () => (await frame.locator('[aria-selected="true"]').last().innerText()).includes('memory_mb'));
    await frame.locator('.ir > div', { hasText: '"host": "api.openai.com"' }).click();
    await eventually('the cursor is there', async () => (await bench.cursor()).includes(`Ln ${line + 1}`));
  },

  async 'the picture is drawn, its parts lead to the source, and the page is accessible in every theme'(bench) {
    await bench.open('agent-tool/tool.py');
    const frame = await bench.preview();
    await bench.shows(frame, 'agent-tool');
    await bench.command('mvm: Run in a MicroVM');
    await eventually('the form', async () => (await frame.locator('form').count()) === 1);
    for (const [theme, name] of Object.entries(THEMES)) {
      await bench.theme(name, frame, theme);
      for (const tab of ['Run', 'IR', 'Picture']) {
        await frame.getByRole('tab', { name: tab }).click();
        await accessible(frame, axe, `${tab}, ${theme}`);
      }
      await bench.shows(frame, 'api.openai.com:443');
      await bench.screenshot(`picture-${theme}`);
    }
    await bench.theme(THEMES.dark, frame, 'dark');
    await frame.getByRole('button', { name: '512 MiB' }).first().click();
    await eventually('the cursor is there', async () => (await bench.cursor()).includes('Ln 2'));
    await bench.open('insecure/insecure.py');
    await eventually('risky parts are marked', async () => (await frame.locator('.risky .risk').count()) > 3);
    // Warnings too; and what lies in no part is told at its box.
    await bench.shows(frame, 'MVM201');
    await bench.shows(frame, 'MVM507');
    assert.doesNotMatch(await frame.locator('.picture').innerText(), /sk-proj-|PRIVATE KEY-/);
    await accessible(frame, axe, 'risks');
    await frame.getByRole('tab', { name: 'IR' }).click();
  },

  async 'a file of 10 MB stops nobody'(bench) {
    const large = `import mvm\n\n\n@mvm.app(name="large", image=mvm.nix_packages(["python3"]))\ndef run() -> None:\n    pass\n\n\n${'x = "0123456789012345678901234567890123456789"\n'.repeat(220_000)}`;
    bench.make('examples/large', { 'large.py': large });
    await bench.open('large/large.py');
    const frame = await bench.preview();
    await eventually('it is shown', async () => (await frame.locator('h1').innerText()).includes('large.py'));
    await bench.shows(frame, '"name": "large"');
    await bench.open('agent-tool/tool.py');
    await bench.shows(frame, '"name": "agent-tool"');
    assert.match(await bench.status(), /mvm/);
  },
});
