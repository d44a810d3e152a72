import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import { BackgroundWorker } from '../cassandra/background-worker';
import { CassandraService } from '../cassandra/cassandra.service';
import type { Lease } from '../cassandra/lease';
import type { AppConfig } from '../config/app-config';
import { MailService } from '../mail/mail.service';
import { type Erasure, ErasuresRepository } from './erasures.repository';
import { OrganizationDataRepository } from './organization-data.repository';
import { OrganizationsRepository } from './organizations.repository';

const ROUND_MS = 5000;
const AT_ONCE = 20;

/**
 * Deletes what an erased organization owned. Each step can be done again: a process that dies
 * half way leaves the organization on the list, and the next one starts over.
 */
@Injectable()
export class Eraser extends BackgroundWorker {
  /** Requests that began before the organization was closed have ended after this. */
  private readonly graceMs: number;

  constructor(
    private readonly erasures: ErasuresRepository,
    private readonly organizations: OrganizationsRepository,
    private readonly data: OrganizationDataRepository,
    private readonly mail: MailService,
    cassandra: CassandraService,
    logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    super('erasure', config.get('workers', { infer: true }), ROUND_MS, cassandra, logger);
    this.graceMs = 2 * config.get('http', { infer: true }).requestTimeoutMs;
  }

  protected async round(lease: Lease): Promise<void> {
    for (const erasure of await this.erasures.list(AT_ONCE)) {
      lease.check();
      await this.erase(erasure);
    }
  }

  private async erase({ organizationId, requestedAt }: Erasure): Promise<void> {
    if (Date.now() - requestedAt.getTime() < this.graceMs) return;
    const organization = await this.organizations.find(organizationId, true);
    // The request was noted and then did not come to pass.
    if (organization?.status !== 'erasing') {
      await this.erasures.remove(organizationId);
      return;
    }
    await this.mail.forget(organizationId);
    await this.data.erase(organizationId);
    const left = await this.data.whatIsLeft(organizationId);
    if (left.length > 0) {
      this.logger.warn({ organization_id: organizationId, left }, 'erasure is not complete yet');
      return;
    }
    await this.organizations.bury(organizationId);
    await this.erasures.remove(organizationId);
    this.logger.info({ organization_id: organizationId }, 'organization erased');
  }
}
