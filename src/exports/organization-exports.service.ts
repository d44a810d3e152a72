import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Response } from 'express';
import { PinoLogger } from 'nestjs-pino';
import { AuditService } from '../audit/audit.service';
import { AppError } from '../common/errors';
import { scopeOf } from '../common/permissions';
import type { Principal } from '../common/principal';
import { withOwnDeadline } from '../common/request-context';
import type { AppConfig } from '../config/app-config';
import { OrganizationsService } from '../organizations/organizations.service';
import { UsersService } from '../users/users.service';
import { ExportSlots } from './export-slots.service';
import { OrganizationFiles } from './organization-files.service';
import { timed } from './paged';
import { sendStreamed } from './streamed-answer';
import { type ZipEntry, zipped } from './zipped';

/** Of the files and their contents: grows with a change that a reader of the one before would not survive. */
const FORMAT_VERSION = 1;
/** The longest that an export takes as a whole; each of its reads has a much shorter time. */
const WHOLE_MS = 24 * 3_600_000;

/** What the manifest says of a file. */
interface FileSummary {
  name: string;
  rows: number;
  bytes: number;
  sha256: string;
}

/** An organization as an archive: everything it has, for its admins to take along. */
@Injectable()
export class OrganizationExports {
  private readonly readTimeoutMs: number;

  constructor(
    private readonly files: OrganizationFiles,
    private readonly organizations: OrganizationsService,
    private readonly users: UsersService,
    private readonly slots: ExportSlots,
    private readonly audit: AuditService,
    private readonly logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    this.readTimeoutMs = config.get('http', { infer: true }).requestTimeoutMs;
  }

  /**
   * Sends the archive. Where something fails half way the connection breaks off.
   * @throws AppError RATE_LIMITED while too many exports of the organization run
   */
  async send(caller: Principal, response: Response): Promise<void> {
    const { organizationId } = caller;
    const event = { organizationId, action: 'organization.exported', actor: caller } as const;
    const work = () =>
      this.audit.around(event, async (add) => {
        const summaries: FileSummary[] = [];
        const chunks = zipped(this.entries(caller, summaries));
        const name = `organization-${new Date().toISOString().slice(0, 10)}.zip`;
        const file = { contentType: 'application/zip', name, chunks };
        const isComplete = await sendStreamed(response, file);
        const rows = summaries.reduce((sum, summary) => sum + summary.rows, 0);
        add({ complete: String(isComplete), rows: String(rows) });
        if (isComplete) return;
        this.logger.info({ organization_id: organizationId }, 'the reader of an export left');
      });
    // The entry in the audit gets its outcome at the end, when the time of a request is long over.
    await this.slots.within(organizationId, () => withOwnDeadline(WHOLE_MS, work));
  }

  private async *entries(caller: Principal, summaries: FileSummary[]): AsyncGenerator<ZipEntry> {
    const { organizationId, userId } = caller;
    const begun = new Date();
    for (const { name, rows } of this.files.of(caller)) {
      await this.check(caller);
      const summary = { name, rows: 0, bytes: 0, sha256: '' };
      yield { name, chunks: asLines(timed(this.readTimeoutMs, rows), summary) };
      summaries.push(summary);
    }
    await this.check(caller);
    const manifest = {
      format: 'organization-export',
      format_version: FORMAT_VERSION,
      organization_id: organizationId,
      exported_by: userId,
      begun_at: begun,
      ended_at: new Date(),
      files: summaries,
    };
    yield { name: 'manifest.json', chunks: whole(`${JSON.stringify(manifest, null, 2)}\n`) };
  }

  /**
   * Whether the caller still may have it: an export can outlive his rights by hours. And an organization
   * that is erased meanwhile has not all of its data any more.
   */
  private async check({ organizationId, userId }: Principal): Promise<void> {
    const [isOpen, user] = await withOwnDeadline(this.readTimeoutMs, () =>
      Promise.all([
        this.organizations.isOpen(organizationId),
        this.users.findById(organizationId, userId),
      ]),
    );
    const isAllowed = user?.status === 'active' && scopeOf(user, 'organization:export') === 'all';
    if (!isOpen || !isAllowed) throw new AppError('FORBIDDEN');
  }
}

async function* whole(text: string): AsyncGenerator<string> {
  yield await Promise.resolve(text);
}

/** Rows as lines of JSON; `summary` is true of them when they have been read to the end. */
async function* asLines(
  parts: AsyncGenerator<object[]>,
  summary: FileSummary,
): AsyncGenerator<string> {
  const hash = createHash('sha256');
  for await (const rows of parts) {
    if (rows.length === 0) continue;
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    hash.update(text);
    summary.rows += rows.length;
    summary.bytes += Buffer.byteLength(text);
    yield text;
  }
  summary.sha256 = hash.digest('hex');
}
