type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The merge patch (RFC 7386) that turns one object into another. */
export function patchBetween(from: Fields, to: Fields): Fields {
  const patch: Fields = {};
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    const [before, after] = [from[key], to[key]];
    if (JSON.stringify(before) === JSON.stringify(after)) continue;
    patch[key] =
      isObject(before) && isObject(after) ? patchBetween(before, after) : (after ?? null);
  }
  return patch;
}
