import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/endpoint';
import { Caller, type Principal } from '../common/principal';
import { HitDto, SearchQueryDto } from './search.dto';
import { SearchService } from './search.service';

@ApiTags('Search')
@Controller('api/v1/search')
export class SearchController {
  constructor(private readonly service: SearchService) {}

  @Get()
  @Endpoint({
    // Each kind of record is searched as far as the caller may read it.
    access: 'self:read',
    summary: 'Find records of all kinds while somebody types',
    description:
      'Best matches first: the whole name, a word of the name, the beginning of one, anything else. ' +
      'A record is found from the moment its creation is answered.',
    returns: HitDto,
    many: true,
  })
  search(@Caller() caller: Principal, @Query() query: SearchQueryDto): Promise<HitDto[]> {
    return this.service.search(caller, query);
  }
}
