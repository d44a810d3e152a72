import { Module } from '@nestjs/common';
import { ThrottlerStorageService } from '@nestjs/throttler';
import { Admission } from './admission.service';
import { AttemptsRepository } from './attempts.repository';
import { GeneralLimit } from './general-limit.service';
import { LimitsService } from './limits.service';

@Module({
  providers: [LimitsService, GeneralLimit, Admission, AttemptsRepository, ThrottlerStorageService],
  exports: [LimitsService, GeneralLimit, Admission],
})
export class LimitsModule {}
