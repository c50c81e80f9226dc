// How tests wait: for what is to come, never for a time.

/** Far beyond what anything takes here, on a machine that does much else; less for who waits for it. */
export const PATIENCE = Number(process.env.MVM_PATIENCE ?? 240) * 1000;
/** After so long something is asked for once more, where asking too early is answered with nothing. */
export const AGAIN = 8000;

/** Waits until something is so; says what did not come to pass, and why the last look failed. */
export async function eventually(what, condition, limit = PATIENCE) {
  const end = Date.now() + limit;
  let why = '';
  for (;;) {
    const value = await Promise.resolve().then(condition).catch((error) => {
      why = `: ${error.message.slice(0, 500)}`;
    });
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`${what} did not come to pass within ${limit / 1000} s${why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
