import { Module } from '@nestjs/common';
import { Admission } from './admission.service';
import { AttemptsRepository } from './attempts.repository';
import { GeneralLimit } from './general-limit.service';
import { LimitsService } from './limits.service';

@Module({
  providers: [LimitsService, GeneralLimit, Admission, AttemptsRepository],
  exports: [LimitsService, GeneralLimit, Admission],
})
export class LimitsModule {}
