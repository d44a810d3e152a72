import type { Changes, RecordData } from '../record';
import type { Reference } from '../record-definition';

const entriesOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** A list with the entries that a change took from it. */
function regained(list: unknown, change: { from?: unknown; to?: unknown }): unknown[] {
  const texts = [...entriesOf(change.to), ...entriesOf(list)].map((one) => JSON.stringify(one));
  const lost = entriesOf(change.from).filter((one) => !texts.includes(JSON.stringify(one)));
  return [...entriesOf(list), ...lost];
}

/**
 * The data of a record with a reference that a merge had turned from the loser to the winner. What
 * the history does not know as turned, or knows as given back, stays as it is: since then it is the
 * wish of somebody.
 * @param turns the changes that merges have made to the references of the record, newest first
 */
export function giveBack(
  reference: Reference,
  data: RecordData,
  turns: readonly Changes[],
  { winnerId, loserId }: { winnerId: string; loserId: string },
): RecordData {
  const [field = ''] = reference.field.split('.', 1);
  const idsIn = (value: unknown) => reference.ids({ ...data, [field]: value });
  const known = turns
    .flatMap(({ [field]: change }) => change ?? [])
    .map((change) => ({ change, before: idsIn(change.from), after: idsIn(change.to) }));
  const at = known.findIndex(
    ({ before, after }) => before.includes(loserId) !== after.includes(loserId),
  );
  const turn = known[at];
  if (!turn?.before.includes(loserId) || !reference.ids(data).includes(winnerId)) return data;
  // The winner stands for himself, and for others that were turned to him where he already was.
  const others = known
    .slice(0, at)
    .filter(({ before, after }) => before.includes(winnerId) && after.includes(winnerId))
    .reduce((sum, { before, after }) => sum + before.length - after.length, 0);
  const stays = others + (turn.before.includes(winnerId) ? 1 : 0) > 0;
  return stays
    ? { ...data, [field]: regained(data[field], turn.change) }
    : reference.replace(data, winnerId, loserId);
}
