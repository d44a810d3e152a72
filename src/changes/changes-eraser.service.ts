import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Eraser, type OwnedData } from '../organizations/eraser.service';
import { ChangesDataRepository } from './changes-data.repository';
import { ChangeLog } from './change-log.service';

/** Deletes the log of changes of an erased organization. */
@Injectable()
export class ChangesEraser implements OwnedData, OnModuleInit {
  constructor(
    private readonly eraser: Eraser,
    private readonly data: ChangesDataRepository,
    private readonly log: ChangeLog,
  ) {}

  onModuleInit(): void {
    this.eraser.eraseFirst(this);
  }

  async erase(organizationId: string): Promise<void> {
    await this.data.eraseVersions(organizationId);
    // From the last chunk down: each leads to the one before.
    const last = await this.log.lastChunk(organizationId);
    for (let chunk = last; chunk >= 0; chunk--) await this.data.eraseChunk(organizationId, chunk);
  }

  async whatIsLeft(organizationId: string): Promise<string[]> {
    return this.data.whatIsLeft(organizationId);
  }
}
