// Tests in VS Code's own workbench: run.mjs [--server FILE] [--vsix FILE] [--code-server DIR] [--boot] [NAME]
// Installs code-server where it is not, packs the extension unless one is named. --boot also runs a real guest.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Workbench, eventually } from './workbench.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const repository = resolve(here, '../..');
const target = resolve(process.env.CARGO_TARGET_DIR ?? join(repository, 'target'));
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const server = resolve(option('server', join(target, 'debug/mvm-lsp')));
const codeServer = resolve(option('code-server', join(target, 'code-server')));
const boot = process.argv.includes('--boot');
const only = process.argv.slice(2).find((word, i, all) => !word.startsWith('--') && !(all[i - 1] ?? '').match(/^--(server|vsix|code-server)$/));

execFileSync('bash', [join(here, 'install.sh'), codeServer], { stdio: ['ignore', 'ignore', 'inherit'] });
let vsix = option('vsix', '');
if (vsix === '') {
  vsix = join(target, 'mvm.vsix');
  execFileSync(process.execPath, ['scripts/package.mjs', '--server', server, '--out', vsix], { cwd: resolve(here, '..'), stdio: 'ignore' });
}
const axe = readFileSync(join(here, '../node_modules/axe-core/axe.min.js'), 'utf8');

const tests = {
  async 'findings of every range are in Problems'(bench) {
    await bench.open('insecure/insecure.py');
    await bench.command('View: Focus Problems');
    const rows = bench.page.locator('.markers-panel .monaco-list-row');
    for (const range of ['MVM0', 'MVM1', 'MVM2', 'MVM3', 'MVM4', 'MVM5', 'MVM6', 'MVM7', 'MVM8']) {
      const input = bench.page.locator('.markers-panel-action-filter-container input, .viewpane-filter input').first();
      await input.fill(range);
      await eventually(`a finding ${range}xx`, async () => (await rows.filter({ hasText: range }).count()) > 0);
    }
    await bench.page.locator('.markers-panel-action-filter-container input, .viewpane-filter input').first().fill('');
    await bench.screenshot('problems');
    const squiggles = await bench.page.locator('.squiggly-error, .squiggly-warning').count();
    assert.ok(squiggles > 5, `${squiggles} squiggles`);
    await bench.command('View: Hide Panel');
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
  },

  async 'the cursor is followed both ways'(bench) {
    await bench.open('agent-tool/tool.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"memory_mb": 512');
    const lines = readFileSync(join(bench.folder, 'agent-tool/tool.py'), 'utf8').split('\n');
    const line = lines.findIndex((text) => text.includes('memory_mb=512')) + 1;
    await bench.goTo(line, lines[line - 1].indexOf('512') + 2);
    await eventually('the value is marked', async () => (await frame.locator('[aria-selected="true"]').last().innerText()).includes('memory_mb'));
    await frame.locator('.ir > div', { hasText: '"host": "api.openai.com"' }).click();
    await eventually('the cursor is there', async () => (await bench.page.locator('.statusbar-item', { hasText: /^Ln / }).innerText()).includes(`Ln ${line + 1}`));
  },

  async 'the picture is drawn, and the page is accessible'(bench) {
    await bench.open('agent-tool/tool.py');
    const frame = await bench.preview();
    for (const tab of ['IR', 'Picture']) {
      await frame.getByRole('tab', { name: tab }).click();
      await frame.evaluate(axe);
      const { violations } = await frame.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa'] }));
      assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target).join(', ')}`), [], tab);
    }
    await bench.shows(frame, 'api.openai.com:443');
    await bench.screenshot('picture');
    await frame.getByRole('tab', { name: 'IR' }).click();
  },

  async 'a helper tells about itself'(bench) {
    await bench.open('agent-tool/tool.py');
    await bench.goTo(30, 32);
    await bench.command('Show or Focus Hover');
    await eventually('a hover', async () => (await bench.page.locator('.monaco-hover-content').first().innerText()).includes('secret'));
    await bench.page.keyboard.press('Escape');
  },

  async 'a killed server comes back, and the preview with it'(bench) {
    const [pid] = await eventually('a server runs', () => {
      const all = bench.servers();
      return all.length > 0 && all;
    });
    process.kill(pid, 'SIGKILL');
    await eventually('another server runs', () => bench.servers().some((one) => one !== pid));
    await bench.open('hello/hello.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"hello"');
    await eventually('the status is well', async () => !(await bench.status()).includes('error'));
  },

  async 'the theme is followed'(bench) {
    await bench.open('agent-tool/tool.py');
    const frame = await bench.preview();
    await bench.shows(frame, 'agent-tool');
    await bench.command('Preferences: Toggle between Light/Dark Themes');
    await eventually('the page is light', async () => (await frame.locator('body').getAttribute('class')).includes('vscode-light'));
    await bench.screenshot('light');
    await bench.command('Preferences: Toggle between Light/Dark Themes');
    await eventually('the page is dark', async () => (await frame.locator('body').getAttribute('class')).includes('vscode-dark'));
  },

  ...(boot && {
    async 'Run boots a guest and shows its result'(bench) {
      await bench.open('multi/textkit.py');
      const frame = await bench.preview();
      await bench.shows(frame, 'textkit');
      await bench.command('mvm: Run in a MicroVM');
      const input = bench.page.locator('.quick-input-widget input.input');
      await input.waitFor();
      await input.fill('{"text": "two words"}');
      await bench.page.keyboard.press('Enter');
      await eventually('the result', async () => (await frame.locator('#page').innerText()).includes('"words": 2'), 300_000);
      await bench.screenshot('result');
    },
  }),
};

assert.ok(existsSync(server), `${server} is not built`);
const bench = await Workbench.start({
  codeServer,
  vsix,
  folder: join(repository, 'examples'),
  artefacts: process.env.MVM_ARTEFACTS ?? join(here, 'artefacts'),
  environment: { PATH: process.env.PATH.split(':').filter((one) => !existsSync(join(one, 'mvm-lsp'))).join(':') },
});
let passed = 0;
let failed = 0;
try {
  for (const [name, test] of Object.entries(tests)) {
    if (only && !name.includes(only)) {
      continue;
    }
    try {
      await test(bench);
      passed += 1;
      console.log(`ok   ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${name}\n${error.stack}`);
      await bench.screenshot(`failed-${failed}`);
      await bench.page.keyboard.press('Escape');
    }
  }
} finally {
  await bench.stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
