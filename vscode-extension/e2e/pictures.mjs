// Takes the pictures of README.md from real runs, in both themes, into media/, and draws the icon: pictures.mjs (after
// e2e/run.mjs has packed)
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packed } from './pack.mjs';
import { THEMES } from './tests/editing.mjs';
import { Workbench, eventually } from './workbench.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const repository = resolve(here, '../..');
const target = resolve(process.env.CARGO_TARGET_DIR ?? join(repository, 'target'));
const media = join(here, '../media');
mkdirSync(media, { recursive: true });
const codeServer = join(target, 'code-server');
execFileSync('bash', [join(here, 'install.sh'), codeServer], { stdio: 'inherit' });

const bench = await Workbench.start({
  codeServer,
  vsix: join(target, 'mvm.vsix'),
  inside: await packed('inside', target),
  examples: join(repository, 'examples'),
  cache: join(target, 'e2e-cache'),
  artefacts: media,
  settings: {
    'workbench.activityBar.location': 'hidden',
    'workbench.layoutControl.enabled': false,
    'window.commandCenter': false,
    'breadcrumbs.enabled': false,
    'editor.fontSize': 14,
    'editor.inlayHints.enabled': 'off',
    'editor.lightbulb.enabled': 'off',
    'editor.scrollBeyondLastLine': false,
  },
});
try {
  const icon = await bench.browser.newPage({ viewport: { width: 256, height: 256 } });
  await icon.setContent(`<body style="margin: 0">${readFileSync(join(media, 'icon.svg'), 'utf8')}</body>`);
  await icon.screenshot({ path: join(media, 'icon.png'), omitBackground: true });
  await icon.close();
  await bench.page.setViewportSize({ width: 1280, height: 760 });
  await bench.open('agent-tool/tool.py');
  await bench.page.locator('.codelens-decoration a', { hasText: /^Run$/ }).first().waitFor();
  await bench.run('workbench.action.toggleSidebarVisibility');
  const frame = await bench.preview();
  await bench.shows(frame, 'agent-tool');
  await bench.goInto('agent-tool/tool.py', '"api.openai.com"]');
  await frame.getByRole('tab', { name: 'Picture' }).click();
  await bench.quiet();
  await bench.screenshot('picture-dark');
  await bench.open('multi/textkit.py');
  await bench.command('mvm: Run in a MicroVM');
  await eventually('the form', async () => (await frame.locator('form textarea').count()) === 1);
  await frame.locator('form textarea').fill('The quick brown fox\njumps over the lazy dog');
  await frame.locator('#run').click();
  await eventually('the result', async () => (await frame.locator('#result').innerText()).includes('"words": 9'), 400_000);
  await bench.quiet();
  await bench.theme(THEMES.light, frame, 'light');
  await bench.quiet();
  await bench.screenshot('run-light');
  await bench.open('insecure/insecure.py');
  await bench.goInto('insecure/insecure.py', '@mvm.app');
  await frame.getByRole('tab', { name: 'Picture' }).click();
  await eventually('risky parts are marked', async () => (await frame.locator('.risky .risk').count()) > 3);
  await bench.screenshot('risks-light');
} finally {
  await bench.stop();
}
