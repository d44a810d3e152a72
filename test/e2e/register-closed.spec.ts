import { newEmail, newOrganizationId, newPassword } from '../support/api';
import { startApp } from '../support/app';
import { expectError } from '../support/envelope';

describe('Registration, closed', () => {
  it('turns away whoever has no token, and leaves admins their way', async () => {
    const newAccount = (organization_id: string) => ({
      organization_id,
      email: newEmail(),
      password: newPassword(),
    });
    const open = await startApp();
    const admin = await open.api.newAdmin();
    await open.close();

    const closed = await startApp({ REGISTRATION_MODE: 'closed' });
    try {
      for (const organizationId of [newOrganizationId(), admin.organizationId]) {
        const refused = await closed.api.register(newAccount(organizationId));
        expect(refused.status).toBe(403);
        expectError(refused.body, 'REGISTRATION_CLOSED');
      }
      const added = await closed.api.register(newAccount(admin.organizationId), admin.token);
      expect(added.status).toBe(201);
    } finally {
      await closed.close();
    }
  });
});
