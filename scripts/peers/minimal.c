/* The least that a program has to ask of libvirt to do the benchmark's jobs: what `vmscript` is held against.
 *
 *   minimal create DOMAIN.xml SEED.iso NAME...    minimal check NAME...    minimal list    minimal destroy NAME...
 *
 * It asks what `vmscript` asks: whether names are free, what the host offers, and whether what was made is what was wanted.
 * @NAME@ in DOMAIN.xml is the machine's name. Machines are shared out among eight threads; the first failure ends it all. */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static virConnectPtr host;
static virStoragePoolPtr pool;
static char *action, *document, *seed, *base_path, **names;
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

/* Makes a volume that is not there yet, and looks whether it is as large as it should be. */
static virStorageVolPtr make(const char *name, const char *xml) {
    virStorageVolInfo info;
    NEED(!virStorageVolLookupByName(pool, name));
    virStorageVolPtr made = virStorageVolCreateXML(pool, xml, 0);
    NEED(made && !virStorageVolGetInfo(made, &info));
    return made;
}

static void create(const char *name) {
    char xml[1024], volume[256];
    virDomainInfo info;
    NEED(!virDomainLookupByName(host, name));
    char *offered = virConnectGetDomainCapabilities(host, NULL, NULL, NULL, NULL, 0);
    NEED(offered);
    free(offered);
    snprintf(xml, sizeof xml,
        "<volume><name>%s_boot</name><capacity>10737418240</capacity><target><format type='qcow2'/><compat>1.1</compat></target>"
        "<backingStore><path>%s</path><format type='qcow2'/></backingStore></volume>", name, base_path);
    snprintf(volume, sizeof volume, "%s_boot", name);
    virStorageVolPtr boot = make(volume, xml);
    snprintf(xml, sizeof xml, "<volume><name>%s_cloudinit</name><capacity>%zu</capacity><target><format type='raw'/></target></volume>",
        name, seed_size);
    snprintf(volume, sizeof volume, "%s_cloudinit", name);
    virStorageVolPtr drive = make(volume, xml);
    virStreamPtr stream = virStreamNew(host, 0);
    NEED(stream && !virStorageVolUpload(drive, stream, 0, seed_size, 0));
    for (size_t sent = 0; sent < seed_size;) {
        int now = virStreamSend(stream, seed + sent, seed_size - sent);
        NEED(now > 0);
        sent += (size_t)now;
    }
    NEED(!virStreamFinish(stream));
    snprintf(xml, sizeof xml, "<volume><name>%s_console.log</name><capacity>0</capacity><target><format type='raw'/></target></volume>", name);
    snprintf(volume, sizeof volume, "%s_console.log", name);
    virStorageVolPtr log = make(volume, xml);
    char *wanted = named(document, name);
    virDomainPtr domain = virDomainDefineXMLFlags(host, wanted, VIR_DOMAIN_DEFINE_VALIDATE);
    NEED(domain && !virDomainGetInfo(domain, &info) && !virDomainSetAutostart(domain, 1) && !virDomainCreate(domain));
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

static void quiet(void *nothing, virErrorPtr error) { (void)nothing; (void)error; }

int main(int argc, char **argv) {
    NEED(argc > 1);
    action = argv[1];
    virSetErrorFunc(NULL, quiet); /* what is not there yet is asked for, too */
    NEED((host = virConnectOpen("qemu:///system")));
    if (!strcmp(action, "list")) { list(); return 0; }
    NEED((pool = virStoragePoolLookupByName(host, "default")));
    int first = 2;
    if (!strcmp(action, "create")) {
        size_t size;
        NEED(argc > 4);
        document = slurp(argv[2], &size);
        seed = slurp(argv[3], &seed_size);
        virStorageVolPtr base = virStorageVolLookupByName(pool, "base.qcow2");
        NEED(base && (base_path = virStorageVolGetPath(base)));
        first = 4;
    }
    names = argv + first;
    count = argc - first;
    pthread_t threads[8];
    int running = count < 8 ? count : 8;
    for (int i = 0; i < running; i++) NEED(!pthread_create(&threads[i], NULL, work, NULL));
    for (int i = 0; i < running; i++) pthread_join(threads[i], NULL);
    virConnectClose(host);
    return 0;
}
