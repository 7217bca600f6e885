/* A minimal program that makes the same calls of libvirt for the benchmark's jobs: what `vmscript` is held against.
 *
 *   minimal create DOMAIN.xml SEED.iso NAME...    minimal check NAME...    minimal list    minimal destroy NAME...
 *
 * To create a machine it makes the calls that `vmscript vm create` makes (libvirt's client tells them with `LIBVIRT_DEBUG=1`):
 * what is there, whether there is room and names are free, what the host offers, and whether what was made is what was wanted.
 * @NAME@ in DOMAIN.xml is the machine's name. Machines are shared out among eight threads; the first failure ends it all. */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static virConnectPtr host;
static virStoragePoolPtr pool;
static char *action, *document, *seed, **names;
static size_t seed_size;
static int count, next;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define NEED(call) need((call) ? 1 : 0, #call)
static void need(int done, const char *call) {
    if (!done) { fprintf(stderr, "minimal: %s failed\n", call); exit(1); }
}

static char *slurp(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    NEED(file && !fseek(file, 0, SEEK_END));
    *size = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(1, *size + 1);
    NEED(text && fread(text, 1, *size, file) == *size);
    fclose(file);
    return text;
}

/* The text with each @NAME@ replaced. */
static char *named(const char *text, const char *name) {
    char *made = calloc(1, strlen(text) + 64 * strlen(name)), *to = made;
    NEED(made);
    while (*text) {
        if (strncmp(text, "@NAME@", 6)) { *to++ = *text++; continue; }
        to = stpcpy(to, name);
        text += 6;
    }
    return made;
}

/* Makes a volume, and looks whether it is as large as it should be. */
static virStorageVolPtr make(const char *xml) {
    virStorageVolInfo info;
    virStorageVolPtr made = virStorageVolCreateXML(pool, xml, 0);
    NEED(made && !virStorageVolGetInfo(made, &info));
    return made;
}

static void text(char *told) { NEED(told); free(told); }

static void networks(void) {
    virNetworkPtr *all = NULL;
    int found = virConnectListAllNetworks(host, &all, 0);
    NEED(found >= 0);
    for (int i = 0; i < found; i++) virNetworkFree(all[i]);
    free(all);
}

/* What is looked at once, before anything is made. */
static void look(void) {
    virDomainPtr *domains = NULL;
    virStorageVolPtr *volumes = NULL;
    virStoragePoolInfo room;
    virNodeInfo node;
    int found = virConnectListAllDomains(host, &domains, 0);
    NEED(found >= 0);
    for (int i = 0; i < found; i++) virDomainFree(domains[i]);
    free(domains);
    networks();
    NEED(virStoragePoolIsActive(pool) == 1);
    found = virStoragePoolListAllVolumes(pool, &volumes, 0);
    NEED(found >= 0);
    for (int i = 0; i < found; i++) {
        if (!strcmp(virStorageVolGetName(volumes[i]), "base.qcow2")) text(virStorageVolGetXMLDesc(volumes[i], 0));
        virStorageVolFree(volumes[i]);
    }
    free(volumes);
    NEED(!virStoragePoolGetInfo(pool, &room) && !virNodeGetInfo(host, &node));
}

/* The pool, looked up anew, as it may be gone. */
static void look_up_pool(void) {
    virStoragePoolPtr now = virStoragePoolLookupByName(host, "default");
    NEED(now);
    virStoragePoolFree(now);
}

static void create(const char *name) {
    const char *ends[] = { "_boot", "_cloudinit", "_console.log" };
    char xml[1024], volume[256];
    virDomainInfo info;
    virStorageVolInfo size;
    NEED(!virDomainLookupByName(host, name));
    look_up_pool();
    NEED(virStoragePoolIsActive(pool) == 1);
    text(virStoragePoolGetXMLDesc(pool, 0));
    NEED(!virStorageVolLookupByName(pool, "base"));
    virStorageVolPtr base = virStorageVolLookupByName(pool, "base.qcow2");
    NEED(base);
    text(virConnectGetDomainCapabilities(host, NULL, NULL, "q35", NULL, 0));
    networks();
    NEED(!virStorageVolGetInfo(base, &size));
    text(virStorageVolGetXMLDesc(base, 0));
    char *base_path = virStorageVolGetPath(base);
    NEED(base_path);
    virStorageVolFree(base);
    NEED(!virDomainLookupByName(host, name));
    look_up_pool();
    for (int i = 0; i < 3; i++) {
        snprintf(volume, sizeof volume, "%s%s", name, ends[i]);
        NEED(!virStorageVolLookupByName(pool, volume));
    }
    snprintf(xml, sizeof xml,
        "<volume><name>%s_boot</name><capacity>10737418240</capacity><target><format type='qcow2'/><compat>1.1</compat></target>"
        "<backingStore><path>%s</path><format type='qcow2'/></backingStore></volume>", name, base_path);
    free(base_path);
    virStorageVolPtr boot = make(xml);
    snprintf(xml, sizeof xml, "<volume><name>%s_cloudinit</name><capacity>%zu</capacity><target><format type='raw'/></target></volume>",
        name, seed_size);
    virStorageVolPtr drive = make(xml);
    virStreamPtr stream = virStreamNew(host, 0);
    NEED(stream && !virStorageVolUpload(drive, stream, 0, seed_size, 0));
    for (size_t sent = 0; sent < seed_size;) {
        int now = virStreamSend(stream, seed + sent, seed_size - sent);
        NEED(now > 0);
        sent += (size_t)now;
    }
    NEED(!virStreamFinish(stream));
    snprintf(xml, sizeof xml, "<volume><name>%s_console.log</name><capacity>0</capacity><target><format type='raw'/></target></volume>", name);
    virStorageVolPtr log = make(xml);
    char *wanted = named(document, name);
    virDomainPtr domain = virDomainDefineXMLFlags(host, wanted, VIR_DOMAIN_DEFINE_VALIDATE);
    NEED(domain && !virDomainGetInfo(domain, &info) && !virDomainSetAutostart(domain, 1));
    text(virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE));
    virNetworkPtr network = virNetworkLookupByName(host, "lab");
    virNetworkDHCPLeasePtr *leases = NULL;
    int found = network ? virNetworkGetDHCPLeases(network, NULL, &leases, 0) : -1;
    NEED(found >= 0);
    for (int i = 0; i < found; i++) virNetworkDHCPLeaseFree(leases[i]);
    free(leases);
    virNetworkFree(network);
    int state, reason;
    NEED(!virDomainCreate(domain) && !virDomainGetState(domain, &state, &reason, 0));
    free(wanted);
    virStreamFree(stream);
    virStorageVolFree(boot);
    virStorageVolFree(drive);
    virStorageVolFree(log);
    virDomainFree(domain);
}

static void check(const char *name) {
    virDomainPtr domain = virDomainLookupByName(host, name);
    NEED(domain);
    char *xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE);
    NEED(xml && strstr(xml, name));
    free(xml);
    virDomainFree(domain);
}

static void destroy(const char *name) {
    const char *ends[] = { "_boot", "_cloudinit", "_console.log" };
    virDomainPtr domain = virDomainLookupByName(host, name);
    NEED(domain && !virDomainDestroy(domain) && !virDomainUndefineFlags(domain, VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA));
    virDomainFree(domain);
    for (int i = 0; i < 3; i++) {
        char volume[256];
        snprintf(volume, sizeof volume, "%s%s", name, ends[i]);
        virStorageVolPtr found = virStorageVolLookupByName(pool, volume);
        NEED(found && !virStorageVolDelete(found, 0));
        virStorageVolFree(found);
    }
}

static void *work(void *nothing) {
    for (;;) {
        pthread_mutex_lock(&lock);
        char *name = next < count ? names[next++] : NULL;
        pthread_mutex_unlock(&lock);
        if (!name) return nothing;
        if (!strcmp(action, "create")) create(name);
        else if (!strcmp(action, "check")) check(name);
        else destroy(name);
    }
}

static void list(void) {
    virDomainPtr *all = NULL;
    int found = virConnectListAllDomains(host, &all, VIR_CONNECT_LIST_DOMAINS_AUTOSTART);
    NEED(found >= 0);
    for (int i = 0; i < found; i++) virDomainFree(all[i]);
    free(all);
    found = virConnectListAllDomains(host, &all, 0);
    NEED(found >= 0);
    for (int i = 0; i < found; i++) {
        virDomainInfo info;
        NEED(virDomainGetInfo(all[i], &info) == 0);
        printf("%s %d %lu %d\n", virDomainGetName(all[i]), info.state, info.maxMem, info.nrVirtCpu);
        virDomainFree(all[i]);
    }
    free(all);
}

static void lost(virConnectPtr gone, int reason, void *nothing) { (void)gone; (void)reason; (void)nothing; }

static void quiet(void *nothing, virErrorPtr error) { (void)nothing; (void)error; }

int main(int argc, char **argv) {
    NEED(argc > 1);
    action = argv[1];
    virSetErrorFunc(NULL, quiet); /* what is not there yet is asked for, too */
    unsigned long version;
    NEED((host = virConnectOpen("qemu:///system")) && !virConnectGetLibVersion(host, &version));
    NEED(!virConnectRegisterCloseCallback(host, lost, NULL, NULL));
    if (!strcmp(action, "list")) { list(); return 0; }
    NEED((pool = virStoragePoolLookupByName(host, "default")));
    int first = 2;
    if (!strcmp(action, "create")) {
        size_t size;
        NEED(argc > 4);
        document = slurp(argv[2], &size);
        seed = slurp(argv[3], &seed_size);
        look();
        first = 4;
    }
    names = argv + first;
    count = argc - first;
    pthread_t threads[8];
    int running = count < 8 ? count : 8;
    for (int i = 0; i < running; i++) NEED(!pthread_create(&threads[i], NULL, work, NULL));
    for (int i = 0; i < running; i++) pthread_join(threads[i], NULL);
    virConnectUnregisterCloseCallback(host, lost);
    virConnectClose(host);
    return 0;
}
