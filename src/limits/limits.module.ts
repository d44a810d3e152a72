import { Module } from '@nestjs/common';
import { ThrottlerStorageService } from '@nestjs/throttler';
import { AttemptsRepository } from './attempts.repository';
import { LimitsService } from './limits.service';

@Module({
  providers: [LimitsService, AttemptsRepository, ThrottlerStorageService],
  exports: [LimitsService, ThrottlerStorageService],
})
export class LimitsModule {}
