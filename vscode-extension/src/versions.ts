/** Whether a server is one that this extension was made for, and how long it may keep us waiting. Pure. */

/** What of the answer to `initialize` matters here. */
export interface Introduction {
  serverInfo?: { name: string; version?: string };
  capabilities: { experimental?: unknown };
}

const series = (version: string): string => version.split('.').slice(0, 2).join('.');

/** Says what is wrong with a server, or nothing. */
export function wrongServer(answer: Introduction | undefined, path: string, own: string): string | undefined {
  const { name, version = 'of no version' } = answer?.serverInfo ?? { name: 'a server without a name' };
  const remedy = 'Install that one, or clear `mvm.server.path` and take the old one off PATH to use the one inside the extension.';
  if (name !== 'mvm-lsp' || (answer?.capabilities.experimental as { workloadIr?: unknown } | undefined)?.workloadIr !== true) {
    return `${path} is ${name} ${version}, not an mvm-lsp that shows Workload IR; this extension needs mvm-lsp ${series(own)}. ${remedy}`;
  }
  if (series(version) !== series(own)) {
    return `${path} is mvm-lsp ${version}; this extension needs ${series(own)}. ${remedy}`;
  }
  return undefined;
}

/** So long may an answer take before the user is told. */
export const PATIENCE_MS = 15_000;

/** Calls back when a request goes unanswered for too long, and again when the server answers after all. */
export class Patience {
  private late = false;

  constructor(
    private readonly onLate: (late: boolean) => void,
    private readonly limit = PATIENCE_MS,
  ) {}

  async watch<T>(request: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.set(true), this.limit);
    try {
      return await request;
    } finally {
      clearTimeout(timer);
      this.set(false);
    }
  }

  private set(late: boolean): void {
    if (this.late !== late) {
      this.late = late;
      this.onLate(late);
    }
  }
}
