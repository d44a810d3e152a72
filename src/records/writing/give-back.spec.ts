import { giveBack } from './give-back';
import type { Changes, RecordData } from '../record';
import type { Reference } from '../record-definition';

type Data = RecordData & { ids: string[]; one: string | null };

const common = { owner_id: null, tags: [], custom: {}, external_ids: {} };
const data = (ids: string[], one: string | null = null): Data => ({ ...common, ids, one });
const many: Reference<Data> = {
  field: 'ids',
  object: 'contacts',
  ids: ({ ids }) => ids,
  replace: (whole, from, to) => ({
    ...whole,
    ids: [...new Set(whole.ids.map((id) => (id === from ? to : id)))],
  }),
};
const single: Reference<Data> = {
  field: 'one',
  object: 'contacts',
  ids: ({ one }) => (one === null ? [] : [one]),
  replace: (whole, from, to) => (whole.one === from ? { ...whole, one: to } : whole),
};
const turned = (from: unknown, to: unknown, field = 'ids'): Changes => ({ [field]: { from, to } });

/** What is left of `ids` when a loser comes back from W. */
function back(ids: string[], turns: Changes[], loserId = 'L'): string[] {
  const sides = { winnerId: 'W', loserId };
  return (giveBack(many, data(ids), turns, sides) as Data).ids.sort();
}

describe('Giving a reference back', () => {
  it('puts the loser in the place of the winner, where the winner was not before', () => {
    expect(back(['A', 'W'], [turned(['A', 'L'], ['A', 'W'])])).toEqual(['A', 'L']);
  });

  it('leaves the winner, who was there himself', () => {
    expect(back(['W', 'X'], [turned(['W', 'L'], ['W'])])).toEqual(['L', 'W', 'X']);
  });

  it('gives two losers back in any order', () => {
    const first = turned(['L', 'M'], ['W', 'M']);
    const second = turned(['W', 'M'], ['W']);
    expect(back(['W'], [second, first])).toEqual(['L', 'W']);
    expect(back(['L', 'W'], [turned(['W'], ['L', 'W']), second, first], 'M')).toEqual(['L', 'M']);
    expect(back(['W'], [second, first], 'M')).toEqual(['M', 'W']);
    expect(back(['M', 'W'], [turned(['W'], ['M', 'W']), second, first])).toEqual(['L', 'M']);
  });

  it('leaves alone what has been given back, and what was never turned', () => {
    const there = turned(['L'], ['W']);
    expect(back(['W'], [turned(['W'], ['L']), there])).toEqual(['W']);
    expect(back(['W'], [])).toEqual(['W']);
    expect(back(['W'], [turned(['K'], ['W'])])).toEqual(['W']);
    // Somebody has taken the winner away.
    expect(back(['A'], [there])).toEqual(['A']);
    // Turned again by another merge since.
    expect(back(['W'], [there, turned(['W'], ['L']), there])).toEqual(['L']);
  });

  it('does the same for a field with one id, and for custom fields', () => {
    const sides = { winnerId: 'W', loserId: 'L' };
    const one = giveBack(single, data([], 'W'), [turned('L', 'W', 'one')], sides);
    expect(one.one).toBe('L');
    const custom: Reference = {
      field: 'custom.boss',
      object: 'contacts',
      ids: ({ custom: { boss } }) => (typeof boss === 'string' ? [boss] : []),
      replace: (whole, _from, to) => ({ ...whole, custom: { ...whole.custom, boss: to } }),
    };
    const whole = { ...data([]), custom: { boss: 'W', level: 1 } };
    const turns = [turned({ boss: 'L' }, { boss: 'W' }, 'custom')];
    expect(giveBack(custom, whole, turns, sides).custom).toEqual({ boss: 'L', level: 1 });
    expect(giveBack(custom, whole, [turned({}, { boss: 'W' }, 'custom')], sides)).toBe(whole);
  });
});
