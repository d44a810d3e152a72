import { Injectable } from '@nestjs/common';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';

const find = defineQuery<{ address: string }>(
  'login_addresses.find',
  `SELECT address FROM login_addresses
   WHERE organization_id = :organization_id AND account = :account AND address = :address`,
);
const insert = defineQuery(
  'login_addresses.insert',
  `INSERT INTO login_addresses (organization_id, account, address)
   VALUES (:organization_id, :account, :address)`,
);

/** From where an account has been signed in to lately. */
@Injectable()
export class LoginAddressesRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async isKnown(organizationId: string, account: string, address: string): Promise<boolean> {
    const params = { organization_id: organizationId, account, address };
    return (await this.cassandra.first(find, params)) !== undefined;
  }

  async remember(organizationId: string, account: string, address: string): Promise<void> {
    await this.cassandra.run(insert, { organization_id: organizationId, account, address });
  }
}
