// Servers that end, loop, hang, are of another version or not there: each with a sentence and a way on.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../waiting.mjs';
import { THEMES, accessible } from './editing.mjs';

const TOOL = 'import mvm\n\n\n@mvm.app(name="tool", image=mvm.nix_packages(["python3"]))\ndef run() -> None:\n    pass\n';

/** Answers `initialize` as a server of the far future would. */
const FUTURE = `
const body = JSON.stringify({ jsonrpc: '2.0', id: 0, result: { capabilities: { experimental: { workloadIr: true } }, serverInfo: { name: 'mvm-lsp', version: '9.1.0' } } });
process.stdin.once('data', () => process.stdout.write('Content-Length: ' + Buffer.byteLength(body) + '\\r\\n\\r\\n' + body));
setInterval(() => undefined, 1000);
`;

/** Shows a folder with a server of its own, which behaves as told in a file. */
async function fake(bench, server, mode) {
  const script = `#!/bin/sh
cd "$(dirname "$0")"
echo start >> starts
case "$(cat mode)" in
crash) echo "the disk is on fire" >&2; exit 3;;
silent) exec sleep 1000;;
future) exec "${process.execPath}" future;;
esac
exec "${server}"
`;
  const folder = join(bench.root, `server-${mode}`);
  const settings = JSON.stringify({ 'mvm.server.path': join(folder, 'fake') });
  bench.make(`server-${mode}`, { 'tool.py': TOOL, future: FUTURE, mode, fake: script, '.vscode/settings.json': settings });
  chmodSync(join(folder, 'fake'), 0o755);
  await bench.show(folder);
  await bench.open('tool.py');
  return folder;
}

export const servers = ({ axe, server }) => ({
  async 'a killed server comes back, and the preview with it'(bench) {
    await bench.in(bench.folder);
    await bench.open('agent-tool/tool.py');
    const [pid] = await eventually('a server runs', () => {
      const all = bench.servers();
      return all.length > 0 && all;
    });
    const frame = await bench.preview();
    await bench.shows(frame, '"agent-tool"');
    process.kill(pid, 'SIGKILL');
    await eventually('another server runs', () => bench.servers().some((one) => one !== pid));
    await bench.open('hello/hello.py');
    await bench.shows(frame, '"name": "hello"');
    await eventually('the status is well', async () => /^mvm/.test((await bench.status()).trim()));
  },

  async 'a server that hangs is told of, and restarted'(bench) {
    await bench.in(bench.folder);
    bench.make('examples/hang', { 'hang.py': TOOL });
    await bench.open('hang/hang.py');
    const [pid] = await eventually('a server runs', () => {
      const all = bench.servers();
      return all.length > 0 && all;
    });
    process.kill(pid, 'SIGSTOP');
    await bench.goTo(1, 1);
    await bench.page.keyboard.type('# ');
    const toast = await bench.notification('has not answered');
    await eventually('the status says so', async () => /not answering/.test(await bench.status()) && (await bench.colour()) === 'warning');
    await bench.press(toast, 'Restart');
    await eventually('another server runs, alone', () => bench.servers().length === 1 && bench.servers()[0] !== pid);
    await eventually('the status is well', async () => !/not answering/.test(await bench.status()));
  },

  async 'one that crashes in a loop is started five times, and then its log is offered'(bench) {
    const folder = await fake(bench, server, 'crash');
    const toast = await bench.notification('five times');
    assert.equal(readFileSync(join(folder, 'starts'), 'utf8').split('\n').length - 1, 5);
    assert.match(await toast.innerText(), /the disk is on fire/);
    await eventually('the status is red', async () => (await bench.colour()) === 'error');
    await bench.press(toast, 'Show Log');
    await eventually('the log is shown', async () => (await bench.panel()).includes('[error]'));
    await bench.quiet();
    await bench.hidePanel();
  },

  async 'one of another version is refused'(bench) {
    await fake(bench, server, 'future');
    await bench.notification('9.1.0; this extension needs 0.1');
    await eventually('the status says so', async () => /^mvm$/.test((await bench.status()).trim()));
    await bench.quiet();
  },

  async 'one that says nothing at its start is given up'(bench) {
    const folder = await fake(bench, server, 'silent');
    const toast = await bench.notification('has said nothing for');
    writeFileSync(join(folder, 'mode'), 'real');
    await bench.press(toast, 'Restart');
    await bench.open('tool.py');
    const frame = await bench.preview();
    await bench.shows(frame, '"name": "tool"');
  },

  async 'a preview without a server says why, in every theme, and its key brings the server back'(bench) {
    const folder = await fake(bench, server, 'real');
    const frame = await bench.preview();
    await bench.shows(frame, '"name": "tool"');
    writeFileSync(join(folder, 'mode'), 'crash');
    bench.servers().forEach((pid) => process.kill(pid, 'SIGKILL'));
    await bench.shows(frame, 'five times');
    for (const [theme, name] of Object.entries(THEMES)) {
      await bench.theme(name, frame, theme);
      await accessible(frame, axe, `no server, ${theme}`);
    }
    await bench.screenshot('no-server');
    writeFileSync(join(folder, 'mode'), 'real');
    await frame.getByRole('button', { name: 'Restart' }).focus();
    await bench.page.keyboard.press('Enter');
    await bench.shows(frame, '"name": "tool"');
  },

  async 'one that is not there, and one that is no program, are named'(bench) {
    const folder = bench.make('nowhere', { 'tool.py': TOOL, '.vscode/settings.json': JSON.stringify({ 'mvm.server.path': '/nowhere/mvm-lsp' }) });
    await bench.show(folder);
    await bench.open('tool.py');
    const toast = await bench.notification('/nowhere/mvm-lsp');
    assert.match(await toast.innerText(), /Correct it or clear it/);
    const foreign = join(folder, 'foreign');
    writeFileSync(foreign, '#!/nowhere/interpreter\n');
    chmodSync(foreign, 0o755);
    writeFileSync(join(folder, '.vscode/settings.json'), JSON.stringify({ 'mvm.server.path': foreign }));
    await bench.notification(`${foreign} cannot be started`);
    await eventually('the status is red', async () => (await bench.colour()) === 'error');
  },
});
