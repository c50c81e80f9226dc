// The preview pane itself: the ways to it, several apps in a file, what it costs when closed, and a window's reload.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../waiting.mjs';
import { accessible } from './editing.mjs';

const PAIR = `import mvm

mvm.workload(id="pair")


@mvm.app(name="one", image=mvm.nix_packages(["python3"]))
def one(text: str) -> str:
    return text


@mvm.app(name="two", image=mvm.nix_packages(["bash"]))
def two(text: str) -> str:
    return text
`;

/** One file of one app, and one of two. */
async function pair(bench, folder) {
  await bench.in(bench.folder);
  const one = PAIR.slice(0, PAIR.indexOf('\n\n\n@mvm.app(name="two"')) + '\n';
  bench.make(`examples/${folder}`, { 'pair.py': PAIR, 'single.py': one });
}

/** Closes the preview. */
async function close(bench) {
  await bench.page.locator('.tab', { hasText: 'Workload IR' }).hover();
  await bench.page.locator('.tab', { hasText: 'Workload IR' }).locator('.codicon-close').click();
  await eventually('the preview is gone', async () => !(await bench.frame()));
}

export const preview = ({ axe, server }) => ({
  async 'it opens from the title, a lens and the keyboard, and a run asks from title and keyboard'(bench) {
    await pair(bench, 'pair');
    await bench.open('pair/single.py');
    const title = (label) => bench.page.locator(`.editor-group-container.active .editor-actions .action-label[aria-label^="${label}"]`);
    const form = async () => {
      const frame = await eventually('the preview', () => bench.frame());
      await eventually('the form', async () => (await frame.locator('form').count()) === 1);
    };
    const ways = {
      title: [() => title('Show Workload IR').click(), bench.frame],
      lens: [() => bench.page.locator('.codelens-decoration a', { hasText: /^IR$/ }).first().click(), bench.frame],
      keyboard: [() => bench.page.keyboard.press('Control+K').then(() => bench.page.keyboard.press('i')), bench.frame],
      'run title': [() => title('Run in a MicroVM').click(), form],
      'run keyboard': [() => bench.page.keyboard.press('Control+K').then(() => bench.page.keyboard.press('Shift+Enter')), form],
    };
    for (const [name, [open, there]] of Object.entries(ways)) {
      await bench.open('pair/single.py');
      await bench.goTo(1, 1);
      await open();
      await eventually(`the preview by ${name}`, () => bench.frame());
      await there.call(bench);
      await close(bench);
    }
  },

  async 'of several apps one can be picked, and the cursor picks it too'(bench) {
    await pair(bench, 'pair');
    await bench.open('pair/pair.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"name": "two"');
    const pick = frame.getByRole('combobox', { name: 'Workload' });
    assert.deepEqual(await pick.locator('option').allInnerTexts(), ['pair', 'pair: one', 'pair: two']);
    await frame.getByRole('tab', { name: 'Picture' }).click();
    assert.deepEqual(await frame.locator('h2').allInnerTexts(), ['one', 'two']);
    await pick.selectOption({ label: 'pair: one' });
    await eventually('one is drawn', async () => (await frame.locator('h2').allInnerTexts()).join() === 'one');
    await accessible(frame, axe, 'an app of several');
    await bench.open('pair/pair.py');
    await bench.goInto('pair/pair.py', '"bash"');
    await eventually('two is drawn', async () => (await frame.locator('h2').allInnerTexts()).join() === 'two');
    await frame.getByRole('tab', { name: 'IR' }).click();
    await bench.open('pair/pair.py');
    await bench.listed('mvm: Run in a MicroVM', (texts) => texts.join() === 'one,two');
    await bench.page.keyboard.press('Escape');
  },

  async 'its page runs no foreign script, and says what is missing'(bench) {
    await pair(bench, 'pair');
    await bench.open('pair/pair.py');
    const frame = await bench.preview();
    const policy = await frame.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content');
    assert.match(policy, /^default-src 'none'; style-src [^;]*; script-src 'nonce-[\w-]{20,}'$/);
    assert.doesNotMatch(policy, /unsafe/);
    const ran = await frame.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'document.body.dataset.owned = "1"';
      document.body.append(script);
      script.remove();
      return document.body.dataset.owned;
    });
    assert.equal(ran, undefined);
    bench.make('examples/pair', { 'none.py': '# mvm is not used yet\n' });
    await bench.open('pair/none.py');
    await bench.shows(frame, 'Nothing is declared here');
    await accessible(frame, axe, 'nothing declared');
    await bench.goTo(2, 1);
    await bench.page.keyboard.type('import mvm\n@mvm.app()\ndef run() -> None:');
    await bench.shows(frame, 'incomplete');
    await accessible(frame, axe, 'incomplete');
    await frame.getByRole('button', { name: 'image' }).first().click();
    await eventually('the cursor is at what lacks it', async () => (await bench.cursor()).includes('Ln 3'));
    await bench.revert();
  },

  async 'it is used with the keyboard alone'(bench) {
    await pair(bench, 'keys');
    await bench.open('keys/single.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"name": "one"');
    const { keyboard } = bench.page;
    const focused = () => frame.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent);
    await frame.getByRole('tab', { name: 'IR' }).focus();
    await keyboard.press('Tab');
    await eventually('the IR has the focus', async () => (await focused()) === 'Workload IR');
    for (let i = 0; i < 40 && !(await frame.locator('.ir [aria-selected="true"]').allInnerTexts()).join().includes('"name"'); i += 1) {
      await keyboard.press('ArrowDown');
    }
    await keyboard.press('Enter');
    await eventually('the cursor is at the name', async () => /Ln 6\b/.test(await bench.cursor()));
    await frame.getByRole('tab', { name: 'IR' }).focus();
    await keyboard.press('ArrowRight');
    await eventually('the picture is shown', async () => (await frame.locator('h2').allInnerTexts()).join() === 'one');
    assert.equal(await focused(), 'Picture');
    await keyboard.press('Tab');
    assert.equal(await focused(), '.');
    await keyboard.press('Shift+Tab');
    await keyboard.press('Shift+Tab');
    await eventually('the way to Problems has the focus', async () => /findings|warning/.test(await focused()));
    await keyboard.press('Enter');
    await bench.page.locator('.markers-panel').waitFor();
  },

  async 'of files opened one right after the other it shows the last, and a form comes to the front'(bench) {
    await pair(bench, 'quick');
    await bench.open('hello/hello.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"name": "hello"');
    const files = ['agent-tool/tool.py', 'multi/textkit.py', 'quick/single.py'].map((name) => join(bench.folder, name));
    for (const path of [...files, ...files, ...files]) {
      await bench.ask('open', { path });
    }
    await bench.open('quick/single.py');
    await eventually('the last is shown', async () => (await frame.locator('h1').innerText()) === 'quick/single.py');
    await bench.goInto('quick/single.py', '"one"');
    await bench.page.keyboard.type('last-');
    await bench.shows(frame, '"name": "last-one"');
    await bench.revert();
    // Behind another tab its page is gone until it is looked at again.
    await bench.ask('open', { path: join(bench.folder, 'hello/hello.py'), group: 2 });
    await eventually('it is behind another', async () => !(await bench.frame()));
    await bench.open('quick/single.py');
    await bench.command('mvm: Run in a MicroVM');
    const again = await eventually('the preview', () => bench.frame());
    await eventually('the form', async () => (await again.locator('form').count()) === 1);
    assert.equal(await again.getByRole('tab', { selected: true }).innerText(), 'Run');
    // What has been filled in stays when the same is asked for again.
    await bench.open('multi/textkit.py');
    await bench.command('mvm: Run in a MicroVM');
    await again.locator('#function').selectOption({ label: 'slug' });
    await again.getByLabel('arguments', { exact: true }).fill('{"title": "written"}');
    await again.getByRole('tab', { name: 'IR' }).click();
    await bench.open('multi/textkit.py');
    await bench.command('mvm: Run in a MicroVM');
    await eventually('it is there as it was', async () => (await again.getByLabel('arguments', { exact: true }).inputValue({ timeout: 2000 })).includes('written'));
    assert.equal(await again.locator('#function option:checked').innerText(), 'slug');
  },

  async 'it is there again after the window is reloaded'(bench) {
    await pair(bench, 'reloaded');
    await bench.open('reloaded/pair.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"pair"');
    await frame.getByRole('tab', { name: 'Picture' }).click();
    await eventually('both are drawn', async () => (await frame.locator('h2').allInnerTexts()).join() === 'one,two');
    const { window } = bench.inside;
    await bench.run('workbench.action.reloadWindow').catch(() => undefined); // It ends who is asked.
    await bench.arrived(window);
    const again = await eventually('the preview is there', async () => {
      const one = await bench.frame();
      return frame.isDetached() && one !== frame && one;
    });
    await eventually('both are drawn again', async () => (await again.locator('h2').allInnerTexts()).join() === 'one,two');
    assert.equal(await bench.page.locator('.tab', { hasText: 'Workload IR' }).count(), 1);
    await bench.open('reloaded/pair.py');
    await bench.goInto('reloaded/pair.py', '"bash"');
    await bench.page.keyboard.type('typed');
    await bench.shows(again, 'typedbash');
    await again.getByRole('tab', { name: 'IR' }).click();
    await bench.revert();
  },

  async 'closed, it costs nothing'(bench) {
    const text = 'import mvm\n\n\n@mvm.app(name="tool", image=mvm.nix_packages(["python3"]))\ndef run() -> None:\n    pass\n';
    const folder = bench.make('quiet', { 'tool.py': text, spy: `#!/bin/sh\ncd "$(dirname "$0")"\ntee -a in | "${server}" | tee -a out\n` });
    chmodSync(join(folder, 'spy'), 0o755);
    bench.make('quiet/.vscode', { 'settings.json': JSON.stringify({ 'mvm.server.path': join(folder, 'spy') }) });
    writeFileSync(join(folder, 'out'), '');
    const told = () => readFileSync(join(folder, 'out'), 'utf8').split('"mvm/workloadIrChanged"').length - 1;
    await bench.show(folder);
    await bench.open('tool.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"tool"');
    await bench.open('tool.py');
    await bench.goTo(4, 16);
    await bench.page.keyboard.type('is-');
    await bench.shows(frame, 'is-tool');
    assert.ok(told() > 0);
    await close(bench);
    await eventually('the server is told', () => readFileSync(join(folder, 'in'), 'utf8').includes('"subscribe":false'));
    await bench.open('tool.py');
    const before = told();
    await bench.goTo(4, 10);
    await bench.page.keyboard.type('nonsense=1, ');
    await eventually('a finding', async () => (await bench.page.locator('.squiggly-error').count()) > 0);
    await bench.goTo(4, 12);
    await bench.revert();
    await eventually('no finding', async () => (await bench.page.locator('.squiggly-error').count()) === 0);
    assert.equal(told(), before);
  },
});
