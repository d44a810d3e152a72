import { Module } from '@nestjs/common';
import { ThrottlerStorageService } from '@nestjs/throttler';
import { AttemptsRepository } from './attempts.repository';
import { GeneralLimit } from './general-limit.service';
import { LimitsService } from './limits.service';

@Module({
  providers: [LimitsService, GeneralLimit, AttemptsRepository, ThrottlerStorageService],
  exports: [LimitsService, GeneralLimit],
})
export class LimitsModule {}
