import { Maintenance } from '../records/upkeep/maintenance.service';
import { demandOrganization, required, runCommand } from './command';
import { Progress } from './progress';

const USAGE = `npm run verify -- --organization ID   compares every row of lists, search and totals with the
                                      record it follows from; changes nothing. Exit code 1: faults.
                                      A write that is under way meanwhile may look like a fault.`;

runCommand(
  USAGE,
  { organization: { type: 'string' } },
  ({ organization }) => required(organization, 'organization'),
  async (app, organizationId) => {
    await demandOrganization(app, organizationId);
    const progress = new Progress('records');
    const report = await app.get(Maintenance).verify(organizationId, (done) => {
      progress.at(done);
    });
    progress.end();
    const { records, rows, partitions, largest, faults } = report;
    const counts = `${String(records)} records, ${String(rows)} rows in ${String(partitions)} partitions`;
    console.log(`${counts}, ${String(largest)} rows in the largest`);
    for (const { object, id, list, fault } of faults) {
      console.log(`${fault.padEnd(9)} ${object} ${id} ${list}`);
    }
    if (faults.length === 0) console.log('No faults.');
    else console.log('There are faults. npm run repair mends them.');
    return faults.length === 0 ? 0 : 1;
  },
);
