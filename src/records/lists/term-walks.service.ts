import { Injectable } from '@nestjs/common';
import type { Principal } from '../../common/principal';
import { recordTerms } from '../derive';
import { matchesTerms } from '../matching';
import type { StoredRecord } from '../record';
import { readScope } from '../record-access';
import type { RecordDefinition } from '../record-definition';
import { termList } from '../scopes';
import { compareText } from '../store/list-order';
import { queryTerms, TERM_PREFIX_LENGTH } from '../text';
import { HIGHEST, type Walk } from './list-plan';
import { ListWalker } from './list-walker.service';

/** Rows of a term that are looked at to tell which of several words is the rarest. */
const RARITY_PROBE = 200;

/** Walks of the records that have all words of a search. */
@Injectable()
export class TermWalks {
  constructor(private readonly walker: ListWalker) {}

  /**
   * Walks the matches of the rarest word, and looks for the others in the records. undefined where all
   * words are too short to be looked up.
   * @param matches whether a record that has the words counts
   */
  async of(
    caller: Principal,
    definition: RecordDefinition,
    q: string,
    matches: (record: StoredRecord) => boolean,
  ): Promise<Walk | undefined> {
    const terms = queryTerms(q);
    const scope = readScope(caller, definition);
    const long = terms.filter((term) => term.length >= TERM_PREFIX_LENGTH);
    const rarest = await this.rarest(caller, definition, long, scope);
    if (rarest === undefined) return undefined;
    return {
      ...termRange(rarest, scope),
      from: { sortKey: rarest, id: '' },
      // A record stands under each of its words that begin so; it counts under the first of them.
      stands: (record, row) =>
        record.state === 'live' &&
        recordTerms(definition, record)
          .filter((term) => term.startsWith(rarest))
          .sort(compareText)[0] === row.sortKey,
      matches: (record) => matchesTerms(definition, record, terms) && matches(record),
    };
  }

  private async rarest(
    { organizationId }: Principal,
    { object }: RecordDefinition,
    terms: readonly string[],
    scope: string,
  ): Promise<string | undefined> {
    const [only, ...others] = terms;
    if (others.length === 0) return only;
    const counts = await Promise.all(
      terms.map(async (term) => {
        const from = { sortKey: term, id: '' };
        const range = termRange(term, scope);
        const rows = await this.walker.rows(organizationId, object, range, from, RARITY_PROBE);
        return rows.length;
      }),
    );
    return terms[counts.indexOf(Math.min(...counts))];
  }
}

function termRange(term: string, scope: string) {
  return { list: termList(term, scope), endKey: term + HIGHEST, descending: false };
}
