import { Maintenance } from '../records/upkeep/maintenance.service';
import { demandOrganization, required, runCommand } from './command';
import { Progress } from './progress';

const USAGE = `npm run repair -- --organization ID   derives the lists, search and totals of all
                                      records anew; safe at any time, and any number of times`;

runCommand(
  USAGE,
  { organization: { type: 'string' } },
  ({ organization }) => required(organization, 'organization'),
  async (app, organizationId) => {
    await demandOrganization(app, organizationId);
    const progress = new Progress('records');
    const records = await app.get(Maintenance).repair(organizationId, (done) => {
      progress.at(done);
    });
    progress.end();
    console.log(`Repaired what follows from ${String(records)} records.`);
    return 0;
  },
);
