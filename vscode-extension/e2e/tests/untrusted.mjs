// A workspace that is not trusted: read and checked with the server that came along; no other program is started.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../workbench.mjs';

export const untrusted = (bench) => ({
  async 'without trust the bundled server alone is started, and nothing can be run'() {
    const trap = join(bench.bin, 'mvm-lsp');
    const sprung = join(bench.root, 'sprung');
    writeFileSync(trap, `#!/bin/sh\ntouch "${sprung}"\nexit 1\n`);
    chmodSync(trap, 0o755);
    bench.make('examples/.vscode', { 'settings.json': JSON.stringify({ 'mvm.server.path': trap, 'mvm.ctl.path': trap }) });
    await bench.show(bench.folder);
    await bench.open('hello/hello.py');
    const [{ path }] = await eventually('a server runs', () => {
      const all = bench.processes('mvm-lsp');
      return all.length > 0 && all;
    });
    assert.ok(path.startsWith(join(bench.root, 'ext')), path);
    const frame = await bench.preview();
    await bench.shows(frame, '"name": "hello"');
    assert.equal(await bench.offers('mvm: Run in a MicroVM'), false);
    assert.equal(await bench.offers('mvm: Show Workload IR'), true);
    const lenses = bench.page.locator('.codelens-decoration a');
    await lenses.filter({ hasText: /^IR$/ }).first().waitFor();
    assert.equal(await lenses.filter({ hasText: /^(Run|Build)$/ }).count(), 0);
    assert.equal(existsSync(sprung), false);
    await bench.screenshot('untrusted');
  },

  async 'with trust the server that the workspace names is started'() {
    await bench.command('Workspaces: Manage Workspace Trust');
    await bench.page.locator('.workspace-trust-editor .monaco-button', { hasText: /^Trust/ }).first().click();
    await eventually('it is started', () => existsSync(join(bench.root, 'sprung')));
    await bench.notification('five times');
  },
});
