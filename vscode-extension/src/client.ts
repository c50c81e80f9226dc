/** The library's client, as this extension wants it. Read when the first server starts, not before. */

import { LanguageClient, type DynamicFeature, type StaticFeature } from 'vscode-languageclient/node';

export { CloseAction, ErrorAction, WorkDoneProgress } from 'vscode-languageclient/node';

/** A client that leaves `mvm.*` commands to the extension, which offers them before a server runs, and messages too. */
export class Client extends LanguageClient {
  override registerFeature(feature: StaticFeature | DynamicFeature<unknown>): void {
    const dynamic = feature as Partial<DynamicFeature<unknown>>;
    if (dynamic.registrationType?.method !== 'workspace/executeCommand') {
      super.registerFeature(feature);
    }
  }

  override fillInitializeParams(params: Parameters<LanguageClient['fillInitializeParams']>[0]): void {
    super.fillInitializeParams(params);
    params.capabilities.experimental = { ...(params.capabilities.experimental as object | undefined), mvm: true };
  }

  /** Into the log alone: what the user must know is said once, with a button, by `Server`. */
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}
