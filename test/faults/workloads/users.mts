import type { ApiClient } from '../api-client.mts';
import type { Organization, World } from '../world.mts';

/** Several people who want the same new organization at once, and only one may have it. */
export async function organizations(world: World, client: ApiClient): Promise<void> {
  const organization = world.name('org');
  const all = [client, world.client(`${client.name}/2`), world.client(`${client.name}/3`)];
  await Promise.all(
    all.map((each) => {
      const contender = world.contender(organization);
      const registration = world.registration(contender);
      return each.send({ ...registration, kind: 'organization', marker: contender.email });
    }),
  );
}

/** Two admins who add the same email at once; and one user who is changed again and again. */
export async function users(
  world: World,
  client: ApiClient,
  { id, admin, userId }: Organization,
): Promise<void> {
  if (client.random.chance(0.5)) {
    const marker = world.name('m');
    await client.send({
      workload: 'users',
      kind: 'rename',
      method: 'PATCH',
      path: `/api/v1/users/${userId}`,
      body: { first_name: marker },
      marker,
      key: client.random.chance(0.6) ? world.name('key') : undefined,
      account: admin,
    });
    return;
  }
  const email = world.email();
  const all = [client, world.client(`${client.name}/2`)];
  await Promise.all(
    all.map((each) => {
      const contender = { organization: id, email, password: world.name('correct-horse') };
      world.contenders.push(contender);
      return each.send({
        ...world.registration(contender),
        workload: 'users',
        kind: 'user',
        marker: email,
        key: client.random.chance(0.7) ? world.name('key') : undefined,
        account: admin,
      });
    }),
  );
}
