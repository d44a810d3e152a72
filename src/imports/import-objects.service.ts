import { Injectable } from '@nestjs/common';
import { ActivitiesService } from '../activities/activities.service';
import { CompaniesService } from '../companies/companies.service';
import { ContactsService } from '../contacts/contacts.service';
import { DealsService } from '../deals/deals.service';
import type { ObjectService } from '../records/object.service';

/** The services of the kinds of records that can be imported, by their names. */
@Injectable()
export class ImportObjects {
  private readonly services: ReadonlyMap<string, ObjectService>;

  constructor(
    companies: CompaniesService,
    contacts: ContactsService,
    deals: DealsService,
    activities: ActivitiesService,
  ) {
    const all = [companies, contacts, deals, activities] as unknown as ObjectService[];
    this.services = new Map(all.map((service) => [service.definition.object, service]));
  }

  serviceOf(object: string): ObjectService {
    const service = this.services.get(object);
    if (!service) throw new Error(`There is nothing to import ${object} with`);
    return service;
  }
}
