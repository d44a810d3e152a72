import { validationFailed } from '../common/errors';

const MONTHS_MAX = 24;
const MONTHS_DEFAULT = 12;

const toIndex = (month: string) => Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1;

function toMonth(index: number): string {
  const year = String(Math.floor(index / 12)).padStart(4, '0');
  return `${year}-${String((index % 12) + 1).padStart(2, '0')}`;
}

/**
 * The months from one to another, both included. With one bound it is a year; with none the year
 * that begins, or ends, with the month of `now` in UTC.
 * @throws AppError VALIDATION_FAILED for more than 24 months, or none
 */
export function monthsOf(
  { from, to }: { from?: string; to?: string },
  now: Date,
  direction: 'ahead' | 'back',
): string[] {
  const year = MONTHS_DEFAULT - 1;
  const current = toIndex(now.toISOString().slice(0, 7));
  const unbounded = from === undefined && to === undefined;
  const first =
    from !== undefined
      ? toIndex(from)
      : unbounded && direction === 'ahead'
        ? current
        : (to === undefined ? current : toIndex(to)) - year;
  const last = to === undefined ? first + year : toIndex(to);
  const count = last - first + 1;
  if (count < 1 || count > MONTHS_MAX) {
    const message = `to must be from's month or one of the ${String(MONTHS_MAX - 1)} after it`;
    throw validationFailed([{ field: 'to', rule: 'period', message }]);
  }
  return Array.from({ length: count }, (_, index) => toMonth(first + index));
}
