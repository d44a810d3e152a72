import { Controller } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { objectController } from '../records/object.controller';
import { CompaniesService } from './companies.service';
import { companies } from './company';

@ApiTags('Companies')
@Controller('api/v1/companies')
export class CompaniesController extends objectController(companies, CompaniesService) {}
