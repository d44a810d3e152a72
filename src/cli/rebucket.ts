import { Rebucketing } from '../records/upkeep/rebucket.service';
import { allDefinitions } from '../records/record-definition';
import { demandOrganization, required, runCommand, UsageError } from './command';

/** A page of a list reads from every bucket: more would make every list slow. */
const BUCKETS_MAX = 256;

const USAGE = `npm run rebucket -- --organization ID                doubles the buckets of what has outgrown them
npm run rebucket -- --organization ID --buckets N    spreads everything over N buckets at least
    --object contacts                                only this kind of record
Reads and writes go on meanwhile. Safe to repeat: a run that was cut off is finished.`;

runCommand(
  USAGE,
  { organization: { type: 'string' }, object: { type: 'string' }, buckets: { type: 'string' } },
  ({ organization, object, buckets }) => {
    const known = allDefinitions().map((definition) => definition.object as string);
    if (object !== undefined && !known.includes(object)) {
      throw new UsageError(`--object must be one of ${known.join(', ')}.`);
    }
    const count = buckets === undefined ? undefined : Number(buckets);
    if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= BUCKETS_MAX)) {
      throw new UsageError(`--buckets must be a whole number from 1 to ${String(BUCKETS_MAX)}.`);
    }
    return { organizationId: required(organization, 'organization'), object, buckets: count };
  },
  async (app, { organizationId, object, buckets }) => {
    await demandOrganization(app, organizationId);
    await app.get(Rebucketing).grow(organizationId, buckets, object, console.log);
    return 0;
  },
);
