// A machine that cannot run guests: QEMU is missing, and the setting asks for it. And what the palette offers beside.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AGAIN, eventually } from '../waiting.mjs';
import { form } from './running.mjs';

const HELLO = 'import mvm\n\n\n@mvm.app(image=mvm.nix_packages(["python3"]))\ndef hello() -> str:\n    return "hi"\n';

export const bare = ({ boot }) => ({
  ...(boot && {
    async 'on a machine without a hypervisor a run ends in a sentence that says what to install'(bench) {
      bench.make('examples/plain', { 'plain.py': HELLO });
      await bench.open('plain/plain.py');
      const frame = await form(bench, () => bench.command('mvm: Run in a MicroVM'));
      await frame.locator('#run').click();
      await bench.notification('qemu-system-x86_64 is not installed');
      await bench.shows(frame, 'qemu-system-x86');
      await bench.command('mvm: Show Output of Builds and Runs');
      await eventually('the output says so', async () => /qemu-system-x86_64 is not installed[^]*qemu-system-x86/.test(await bench.panel()));
      await bench.hidePanel();
      await bench.quiet();
    },
  }),

  async 'the doctor says what is missing and types what mends it'(bench) {
    bench.make('examples/plain', { 'plain.py': HELLO });
    await bench.open('plain/plain.py');
    await bench.command('mvm: Doctor: What This Machine Lacks');
    const toast = await bench.notification('this machine');
    await eventually('the report', async () => (await bench.panel()).includes('✗ qemu-system-x86_64 is not on PATH'));
    await bench.screenshot('doctor');
    await bench.press(toast, 'Type the Fix in a Terminal');
    const terminal = bench.page.locator('.part.panel .integrated-terminal, .part.panel .terminal-outer-container').first();
    await terminal.waitFor();
    await bench.quiet();
    await bench.hidePanel();
  },

  async 'trace, log and walkthrough are where they are said to be'(bench) {
    await bench.open('hello/hello.py');
    await bench.command('mvm: Trace the Server\'s Traffic, or Stop That');
    await bench.notification('is written to its log');
    const settings = () => JSON.parse(readFileSync(join(bench.root, 'user/User/settings.json'), 'utf8'));
    await eventually('the setting is on', () => settings()['mvm.trace.server'] === 'verbose');
    await bench.quiet();
    await bench.command('mvm: Trace the Server\'s Traffic, or Stop That');
    await eventually('the setting is off', () => [undefined, 'off'].includes(settings()['mvm.trace.server']));
    await bench.quiet();
    await bench.command('mvm: Show the Server\'s Log');
    await eventually('the log', async () => /starting \/.*mvm-lsp \(extension\)/.test(await bench.panel()));
    await bench.hidePanel();
    const page = bench.page.locator('.gettingStartedContainer');
    await eventually('the walkthrough is opened', async () => {
      const ours = 'Run a Python function in a microVM';
      const rows = await bench.listed('Welcome: Open Walkthrough...', (texts) => texts.some((text) => text.includes(ours)));
      await rows.filter({ hasText: ours }).first().click({ timeout: AGAIN });
      return page.waitFor({ timeout: AGAIN }).then(() => true);
    });
    await eventually('its steps', async () => /Declare[^]*See what it becomes[^]*Is this machine ready[^]*Run it/.test(await page.innerText()));
    await bench.screenshot('walkthrough');
    assert.equal(await page.locator('.getting-started-step').count(), 4);
  },
});
