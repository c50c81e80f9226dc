// Real guests: the form, the result, what odd functions print and return, cancelling, machines that stay.
import assert from 'node:assert/strict';
import { eventually } from '../waiting.mjs';
import { accessible } from './editing.mjs';

const GUEST = 400_000;

const HELLO = `from typing import TypedDict

import mvm


class Place(TypedDict):
    town: str
    rooms: list[int]


@mvm.app(image=mvm.nix_packages(["python3"]))
def hello(name: str = "world", ends: list[str] = ["!"], place: Place | None = None) -> str:
    return f"Hello, {name}{''.join(ends)}" + (f" In {place['town']}, {sum(place['rooms'])}" if place else "")
`;

const ODD = `import time

import mvm


@mvm.app(
    name="odd",
    image=mvm.nix_packages(["python3"]),
    entrypoints=[
        mvm.entrypoint_function(module="odd", function="noisy", primary=True),
        mvm.entrypoint_function(module="odd", function="unjson"),
        mvm.entrypoint_function(module="odd", function="large"),
        mvm.entrypoint_function(module="odd", function="forever"),
    ],
)
def noisy() -> str:
    print("\\x1b[31mred\\x1b[0m <b>bold</b> \\x1b]0;owned\\x07", flush=True)
    return "<img src=x onerror=alert(1)> \\x1b[2J"


def unjson():
    return object()


def large():
    return "x" * (20 << 20)


def forever():
    time.sleep(100000)
`;

/** Asks for a call, and waits for the form that comes: not for one that is there from before. */
export async function form(bench, ask) {
  const before = await bench.frame();
  if (before) {
    await before.getByRole('tab', { name: 'IR' }).click();
    await eventually('no form is shown', async () => (await before.locator('form').count()) === 0);
  }
  await ask();
  return eventually('the form', async () => {
    const one = await bench.frame();
    return one && (await one.locator('form').count()) === 1 && one;
  });
}

/** Chooses a function in the form and sends it off. */
async function call(bench, name) {
  const frame = await form(bench, () => bench.command('mvm: Run in a MicroVM'));
  await frame.locator('#function').selectOption({ label: name });
  await frame.locator('#run').click();
  return frame;
}

/** Shows a file whose guests are to run. */
async function guests(bench, file) {
  bench.make('examples', { 'guest/guest.py': HELLO, 'odd/odd.py': ODD });
  await bench.open(file);
}

export const running = ({ axe, boot }) => boot && {
  async 'Run asks in a form, boots a guest, and shows its result; again and copied'(bench) {
    await guests(bench, 'guest/guest.py');
    const frame = await form(bench, () => bench.page.locator('.codelens-decoration a', { hasText: /^Run$/ }).first().click());
    const named = (name) => frame.getByLabel(name, { exact: true });
    assert.equal(await named('name').inputValue(), 'world');
    assert.equal(await named('ends 1').inputValue(), '!');
    await frame.getByRole('group', { name: 'place' }).getByRole('checkbox').check();
    await frame.getByRole('button', { name: 'Add to rooms' }).click();
    await named('rooms 1').fill('x');
    await accessible(frame, axe, 'form');
    await frame.locator('#run').click();
    await bench.shows(frame, 'not a whole number');
    assert.equal(await named('rooms 1').getAttribute('aria-invalid'), 'true');
    await accessible(frame, axe, 'form with a mistake');
    await named('rooms 1').fill('7');
    assert.equal(await frame.locator('form .wrong').count(), 0);
    await frame.getByRole('button', { name: 'Add to rooms' }).click();
    await named('rooms 2').fill('35');
    await named('town').fill('Oslo');
    await named('name').fill('two\nlines');
    await bench.screenshot('form');
    await frame.locator('#run').click();
    await eventually('the result', async () => (await frame.locator('#result').innerText()).includes('Hello, two\nlines! In Oslo, 42'), GUEST);
    await bench.quiet();
    await bench.screenshot('result');
    await accessible(frame, axe, 'result');
    await frame.locator('#copy').click();
    await eventually('it is copied', async () => (await bench.page.evaluate(() => navigator.clipboard.readText())).includes('Hello, two\nlines!'));
    await frame.locator('#again').click();
    await bench.command('mvm: Show Output of Builds and Runs');
    await eventually('it ran again', async () => (await bench.panel()).split('hello returned').length === 3, GUEST);
    await bench.hidePanel();
    await eventually('the result again', async () => (await frame.locator('#result').innerText()).includes('Hello, two\nlines!'));
    // What was given last is there the next time, in another window, too.
    await bench.show(bench.folder);
    await bench.open('guest/guest.py');
    const again = await form(bench, () => bench.command('mvm: Run in a MicroVM'));
    const last = async (name) => again.getByLabel(name, { exact: true }).inputValue();
    await eventually('the form has the last values', async () => [await last('name'), await last('town'), await last('rooms 2')].join() === 'two\nlines,Oslo,35');
    await again.getByRole('button', { name: 'place as JSON' }).click();
    await eventually('all of it as JSON', async () => (await again.getByLabel('JSON', { exact: true }).inputValue()) === '{"town":"Oslo","rooms":[7,35]}');
    await again.getByRole('button', { name: 'place as fields' }).click();
    await again.getByRole('button', { name: 'Remove rooms 1' }).click();
    await eventually('one is left', async () => (await last('rooms 1')) === '35');
  },

  async 'what a guest prints and returns is text'(bench) {
    await guests(bench, 'odd/odd.py');
    const frame = await call(bench, 'noisy');
    await eventually('the result', async () => (await frame.locator('#result').innerText()).includes('<img src=x onerror=alert(1)>'), GUEST);
    assert.equal(await frame.locator('img, b').count(), 0);
    await bench.command('mvm: Show Output of Builds and Runs');
    await eventually('the output', async () => (await bench.panel()).includes('red <b>bold</b> <1b>]0;owned<07>'));
    await bench.hidePanel();
  },

  async 'a result that is no JSON, and one of 20 MB, end in a sentence'(bench) {
    await guests(bench, 'odd/odd.py');
    const frame = await call(bench, 'unjson');
    await bench.shows(frame, 'JSON cannot carry', GUEST);
    await bench.open('odd/odd.py');
    await call(bench, 'large');
    await bench.shows(frame, '20971553 bytes', GUEST);
    assert.ok((await frame.locator('.run').innerText()).length < 3 << 20);
    await bench.quiet();
  },

  async 'a run is cancelled and leaves no machine'(bench) {
    await guests(bench, 'odd/odd.py');
    const frame = await call(bench, 'forever');
    await eventually('the guest runs', () => bench.processes('mvm-supervisor').length > 0, GUEST);
    assert.equal(await frame.locator('#cancel').count(), 1);
    await eventually('the status says so', async () => /running odd/.test(await bench.status()));
    const toast = await bench.notification('running odd');
    await bench.press(toast, 'Cancel');
    await bench.shows(frame, 'cancelled', GUEST);
    await eventually('no machine is left', () => bench.processes('mvm-supervisor').length === 0);
    await eventually('the status is quiet', async () => !/running/.test(await bench.status()));
    await bench.quiet();
  },

  async 'a machine stays, is listed, called, read and stopped'(bench) {
    await guests(bench, 'guest/guest.py');
    await bench.command('mvm: Start and Keep Running');
    await bench.run('mvm.machines.focus');
    const row = bench.page.locator('[id="workbench.view.explorer"] .monaco-list-row', { hasText: 'hello' }).filter({ hasText: 'ready' }).first();
    await row.waitFor({ timeout: GUEST });
    await bench.quiet();
    await bench.screenshot('machines');
    const action = async (label) => {
      await row.hover();
      await row.locator(`.action-label[aria-label*="${label}"]`).click();
    };
    await action('Call');
    const input = bench.page.locator('.quick-input-widget input.input');
    await input.waitFor();
    await input.fill('{"name": "tree"}');
    await bench.page.keyboard.press('Enter');
    await bench.notification('Hello, tree!');
    await bench.quiet();
    await action('Logs');
    await eventually('its logs', async () => (await bench.panel()).trim().length > 0);
    await bench.hidePanel();
    await action('Stop');
    await row.waitFor({ state: 'hidden' });
    await eventually('it is gone', () => bench.processes('mvm-supervisor').length === 0);
  },

  async 'the doctor tells what this machine has'(bench) {
    await guests(bench, 'guest/guest.py');
    await bench.command('mvm: Doctor: What This Machine Lacks');
    await eventually('a report', async () => (await bench.panel()).includes('processors'));
    await bench.hidePanel();
    await bench.quiet();
  },
};
