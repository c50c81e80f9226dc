// Bundles the extension and the preview's page into dist/, and with --tests the unit tests into out/.
import { readdirSync } from 'node:fs';
import { build } from 'esbuild';

const tests = process.argv.includes('--tests');
const common = { bundle: true, logLevel: 'warning', legalComments: 'none' };
const node = { ...common, platform: 'node', format: 'cjs', target: 'node20', external: ['vscode'] };

if (tests) {
  const entryPoints = readdirSync('test').filter((name) => name.endsWith('.test.ts')).map((name) => `test/${name}`);
  // There is no editor in them: what is missing of it is undefined, and is not told each time.
  await build({ ...node, logLevel: 'error', entryPoints, outdir: 'out/test', sourcemap: 'inline', alias: { vscode: './test/vscode.ts' }, external: [] });
} else {
  // The library's client is a file of its own: a window without a declaration never reads it.
  await build({ ...node, entryPoints: ['src/extension.ts'], outfile: 'dist/extension.js', minify: true, external: ['vscode', './client.js'], supported: { 'dynamic-import': false } });
  await build({ ...node, entryPoints: ['src/client.ts'], outfile: 'dist/client.js', minify: true });
  const page = { ...common, platform: 'browser', target: 'es2022', minify: true };
  await build({ ...page, entryPoints: ['src/webview/page.ts'], outfile: 'dist/webview.js' });
  await build({ ...page, entryPoints: ['src/webview/page.css'], outfile: 'dist/webview.css' });
}
