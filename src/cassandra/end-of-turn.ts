let end: Promise<void> | undefined;

/**
 * When this turn of the event loop has done what there was to do. Whatever waits for it goes on in one
 * go, so that the driver has all of it to send at once (docs/adr/0021-statements-of-a-turn.md).
 */
export function endOfTurn(): Promise<void> {
  end ??= new Promise((resolve) => {
    setImmediate(() => {
      end = undefined;
      resolve();
    });
  });
  return end;
}
