import { Controller } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { objectController } from '../records/object.controller';
import { deals } from './deal';
import { DealsService } from './deals.service';

@ApiTags('Deals')
@Controller('api/v1/deals')
export class DealsController extends objectController(deals, DealsService) {}
