import { Controller } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { objectController } from '../records/object.controller';
import { ActivitiesService } from './activities.service';
import { activities } from './activity';

@ApiTags('Activities')
@Controller('api/v1/activities')
export class ActivitiesController extends objectController(activities, ActivitiesService) {}
