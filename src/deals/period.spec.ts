import { monthsOf } from './period';

const NOW = new Date('2026-11-15T00:00:00.000Z');
const ends = (months: string[]) => [months[0], months.at(-1), months.length];

describe('The months of a report', () => {
  it('are a year, ahead or back, unless told', () => {
    expect(ends(monthsOf({}, NOW, 'ahead'))).toEqual(['2026-11', '2027-10', 12]);
    expect(ends(monthsOf({}, NOW, 'back'))).toEqual(['2025-12', '2026-11', 12]);
    expect(ends(monthsOf({ from: '2026-02' }, NOW, 'back'))).toEqual(['2026-02', '2027-01', 12]);
    expect(ends(monthsOf({ to: '2026-02' }, NOW, 'ahead'))).toEqual(['2025-03', '2026-02', 12]);
  });

  it('are those from one to another, both included', () => {
    expect(monthsOf({ from: '2026-11', to: '2027-02' }, NOW, 'ahead')).toEqual([
      '2026-11',
      '2026-12',
      '2027-01',
      '2027-02',
    ]);
    expect(monthsOf({ from: '2026-05', to: '2026-05' }, NOW, 'ahead')).toEqual(['2026-05']);
  });

  it('are 24 at most, and not none', () => {
    expect(monthsOf({ from: '2026-01', to: '2027-12' }, NOW, 'ahead')).toHaveLength(24);
    expect(() => monthsOf({ from: '2026-01', to: '2028-01' }, NOW, 'ahead')).toThrow();
    expect(() => monthsOf({ from: '2026-02', to: '2026-01' }, NOW, 'ahead')).toThrow();
  });
});
