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

/** A part of what an organization owns. Both can be done again at any time. */
export interface OwnedData {
  erase(organizationId: string): Promise<void>;
  /** Names of the tables that still have something of it. */
  whatIsLeft(organizationId: string): Promise<string[]>;
}

/**
 * Deletes what an erased organization owned. Each step can be done again: a process that dies
 * half way leaves the organization on the list, and the next one starts over.
 */
@Injectable()
export class Eraser extends BackgroundWorker {
  /** Requests that began before the organization was closed have ended after this. */
  private readonly graceMs: number;
  /** What is erased first: parts that other modules own, which build upon the organization's own. */
  private readonly parts: OwnedData[];

  constructor(
    private readonly erasures: ErasuresRepository,
    private readonly organizations: OrganizationsRepository,
    data: OrganizationDataRepository,
    private readonly mail: MailService,
    cassandra: CassandraService,
    logger: PinoLogger,
    config: ConfigService<AppConfig, true>,
  ) {
    super('erasure', config.get('workers', { infer: true }), ROUND_MS, cassandra, logger);
    this.parts = [data];
    this.graceMs = 2 * config.get('http', { infer: true }).requestTimeoutMs;
  }

  /** Has a part erased before all that are known. */
  eraseFirst(part: OwnedData): void {
    this.parts.unshift(part);
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
    for (const part of this.parts) {
      await part.erase(organizationId);
      const left = await part.whatIsLeft(organizationId);
      if (left.length > 0) {
        this.logger.warn({ organization_id: organizationId, left }, 'erasure is not complete yet');
        return;
      }
    }
    await this.organizations.bury(organizationId);
    await this.erasures.remove(organizationId);
    this.logger.info({ organization_id: organizationId }, 'organization erased');
  }
}
