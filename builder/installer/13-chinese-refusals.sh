# 13-chinese-refusals: why a run does not begin, or does not go on, in Chinese.

# chinese_refusal FORMAT: fails if it is not here
chinese_refusal() {
	case $1 in
	'%s; nothing was written') TRANSLATED='%s；未写入任何内容' ;;
	'%s; see ./install.sh --help') TRANSLATED='%s；用法见 ./install.sh --help' ;;
	'%s; look for a file system that is full or read-only (df -h, dmesg), then run ./install.sh again') TRANSLATED='%s；请检查文件系统是否已满或只读（df -h、dmesg），然后重新运行 ./install.sh' ;;

	# the command line
	'%s and %s do not go together') TRANSLATED='%s 与 %s 不能同时使用' ;;
	'%s needs a value') TRANSLATED='%s 需要一个值' ;;
	'unknown argument: %s') TRANSLATED='未知参数：%s' ;;
	'--dry-run and %s do not go together') TRANSLATED='--dry-run 与 %s 不能同时使用' ;;
	'--purge goes with uninstall only') TRANSLATED='--purge 只能与 uninstall 一起使用' ;;
	'--to goes with rollback only') TRANSLATED='--to 只能与 rollback 一起使用' ;;
	'--lang takes zh or en, not %s') TRANSLATED='--lang 只接受 zh 或 en，而不是 %s' ;;
	'--key: %s is not a file') TRANSLATED='--key：%s 不是文件' ;;
	'%s: its folder is not there; make it first') TRANSLATED='%s：所在目录不存在；请先创建' ;;
	'%s takes a number, not %s') TRANSLATED='%s 的值必须是数字，而不是 %s' ;;
	'--keep-generations takes 1 or more') TRANSLATED='--keep-generations 的值至少为 1' ;;
	'--ignore-preflight-errors: no such name: %s; there are: all %s %s') TRANSLATED='--ignore-preflight-errors：没有名为 %s 的检查；可用的有：all %s %s' ;;
	'support needs --output FILE') TRANSLATED='support 需要 --output 文件名' ;;

	# the bundle
	"the bundle's folder cannot be entered; move the bundle to another folder, as /root, and run ./install.sh there") TRANSLATED='无法进入安装包所在目录；请把安装包移到其他目录（例如 /root），在那里运行 ./install.sh' ;;
	'[Commands] %s is missing; install coreutils, findutils, awk, sed or busybox') TRANSLATED='[Commands] 缺少命令 %s；请安装 coreutils、findutils、awk、sed 或 busybox' ;;
	'the bundle is damaged or was altered; nothing was written; unpack or copy it again') TRANSLATED='安装包已损坏或被篡改；未写入任何内容；请重新解压或重新拷贝' ;;
	'[Bundle] others than root own or may write to these files; nothing was written; as root, unpack the tarball again, or: chown -R 0:0 . && chmod -R go-w .') TRANSLATED='[Bundle] 以上文件不属于 root，或其他用户可以写入；未写入任何内容；请以 root 身份重新解压，或执行：chown -R 0:0 . && chmod -R go-w .' ;;
	"[Bundle] others than root may swap what lies in %s; nothing was written; move the bundle to a folder of root's, as /root") TRANSLATED='[Bundle] root 以外的用户可以替换 %s 中的内容；未写入任何内容；请把安装包移到 root 专有的目录，例如 /root' ;;
	'[Signature] there is no key to check the signature with; give --key FILE, or put it at /etc/bundler/trusted.pub') TRANSLATED='[Signature] 没有用于校验签名的公钥；请用 --key 指定文件，或将公钥放到 /etc/bundler/trusted.pub' ;;
	'[Signature] openssl is missing, and there is a key (%s) to check the signature with; install openssl') TRANSLATED='[Signature] 需要用公钥（%s）校验签名，但缺少 openssl；请安装 openssl' ;;
	'[Signature] SHA256SUMS.sig is not a signature of %s; nothing was written; get the bundle from those who built it') TRANSLATED='[Signature] SHA256SUMS.sig 不是与公钥 %s 对应的签名；未写入任何内容；请向构建者重新获取安装包' ;;
	'[Signature] the bundle is not signed; nothing was written; build it with --sign-key') TRANSLATED='[Signature] 安装包没有签名；未写入任何内容；请用 --sign-key 构建' ;;
	'[Signature] the bundle is not signed, though this host has a key to check with; build it with --sign-key') TRANSLATED='[Signature] 本机有校验用的公钥，但安装包没有签名；请用 --sign-key 构建' ;;

	# the host
	'[Root] run this as root; nothing was written') TRANSLATED='[Root] 请以 root 身份运行；未写入任何内容' ;;
	"--root: %s is not a folder; give the folder that holds the image's tree") TRANSLATED='--root：%s 不是目录；请指定系统镜像的根目录' ;;
	'--root: %s cannot be entered; give a folder that root may enter') TRANSLATED='--root：无法进入 %s；请指定 root 可以进入的目录' ;;
	'this bundle is for %s (%s, %s), and this is another host') TRANSLATED='此安装包用于节点 %s（%s，%s），而本机不是该节点' ;;
	'this host is called %s; take the bundle made for it, or name the host: hostnamectl set-hostname %s') TRANSLATED='本机主机名为 %s；请使用为本机构建的安装包，或修改主机名：hostnamectl set-hostname %s' ;;
	"the image's etc/hostname says %s; take the bundle made for it, or write %s there") TRANSLATED='镜像的 etc/hostname 为 %s；请使用为它构建的安装包，或将其改为 %s' ;;
	'no interface of this host has %s; it has: %s; take the bundle made for this host, or set the address') TRANSLATED='本机没有网卡配置了地址 %s；现有地址：%s；请使用为本机构建的安装包，或配置该地址' ;;
	'this host is %s; take the bundle made for it') TRANSLATED='本机架构为 %s；请使用为该架构构建的安装包' ;;
	'this host is a node of the cluster %s; run ./install.sh --uninstall first; nothing was written') TRANSLATED='本机已是集群 %s 的节点；请先运行 ./install.sh --uninstall；未写入任何内容' ;;
	'this host cannot be the node yet') TRANSLATED='本机暂不满足作为该节点的条件，请先解决以上问题' ;;
	'systemd does not run here, and the units need it; install on a host that systemd has booted') TRANSLATED='本机没有运行 systemd，而各单元依赖它；请在由 systemd 启动的主机上安装' ;;
	'systemd %s is too old; 232 or newer is needed; upgrade the system') TRANSLATED='systemd %s 版本过低；需要 232 或更高版本；请升级系统' ;;
	'missing:%s; install the packages that hold them (iproute2, iptables, kmod, procps, util-linux, ipset)') TRANSLATED='缺少命令：%s；请安装相应的软件包（iproute2、iptables、kmod、procps、util-linux、ipset）' ;;
	'conntrack is missing: UDP flows to Services that moved stay stale for a while; install conntrack (conntrack-tools)') TRANSLATED='缺少 conntrack 命令：Service 后端变化后，旧的 UDP 连接会滞留一段时间；请安装 conntrack（conntrack-tools）' ;;
	'the kernel has no module %s; install the full kernel package') TRANSLATED='内核没有模块 %s；请安装完整的内核软件包' ;;
	"the kernel's cgroups lack:%s; enable them (kernel command line, e.g. cgroup_enable=memory)") TRANSLATED='内核的 cgroup 缺少控制器：%s；请在内核启动参数中启用（例如 cgroup_enable=memory）' ;;
	'port %s is in use by %s (process %s); stop it') TRANSLATED='端口 %s 被 %s（进程 %s）占用；请停止该进程' ;;
	'port %s is in use by an unknown process; find it with ss -ltnp and stop it') TRANSLATED='端口 %s 被未知进程占用；请用 ss -ltnp 找到并停止该进程' ;;
	"this host's clock (%s) is before the time that the bundle's certificates begin; set the clock") TRANSLATED='本机时间（%s）早于安装包中证书的生效时间；请校准时间' ;;
	"the bundle's certificates have ended by this host's clock (%s); build a new bundle, or set the clock") TRANSLATED='按本机时间（%s），安装包中的证书已过期；请构建新的安装包，或校准时间' ;;
	'%s is there: another Kubernetes is or was installed; remove it first (kubeadm reset, k3s-uninstall.sh, ...)') TRANSLATED='存在 %s：本机安装着或安装过其他 Kubernetes；请先将其卸载（kubeadm reset、k3s-uninstall.sh 等）' ;;
	'%s is there and not ours; stop its unit and move it away') TRANSLATED='%s 已存在，且不是由本程序安装的；请停止该单元并移走此文件' ;;
	'a unit %s that is not ours runs; stop and disable it: systemctl disable --now %s') TRANSLATED='单元 %s 正在运行，且不是由本程序安装的；请停止并禁用：systemctl disable --now %s' ;;
	'the kernel is %s; Kubernetes needs 3.10 or newer; upgrade it and reboot') TRANSLATED='内核版本为 %s；Kubernetes 需要 3.10 或更高版本；请升级内核并重启' ;;
	'the kernel lacks:%s; install the full kernel package (modules-extra)') TRANSLATED='内核缺少模块：%s；请安装完整的内核软件包（modules-extra）' ;;
	'swap is on: memory limits of pods are not kept; turn it off with swapoff -a and in /etc/fstab') TRANSLATED='swap 已启用：Pod 的内存限制将不准确；请执行 swapoff -a，并在 /etc/fstab 中去掉 swap' ;;
	'swap is on, and the kubelet does not start with it; swapoff -a, and take it out of /etc/fstab') TRANSLATED='swap 已启用，kubelet 将无法启动；请执行 swapoff -a，并在 /etc/fstab 中去掉 swap' ;;
	'this host has %s MiB of memory, and a node does not run in less than 400; give it 1024 or more') TRANSLATED='本机内存为 %s MiB，低于 400 MiB 节点无法运行；请增加到 1024 MiB 或以上' ;;
	'this host has %s MiB of memory; a node wants 1024 or more') TRANSLATED='本机内存为 %s MiB；节点建议使用 1024 MiB 或以上' ;;
	'%s is mounted read-only; remount it: mount -o remount,rw (an immutable system wants another place for it)') TRANSLATED='%s 以只读方式挂载；请重新挂载：mount -o remount,rw（不可变系统需要换用其他位置）' ;;
	'%s is mounted noexec, and programs go there; remount it: mount -o remount,exec') TRANSLATED='%s 以 noexec 方式挂载，而程序要安装到那里；请重新挂载：mount -o remount,exec' ;;
	'/tmp is mounted noexec: tools that unpack themselves there do not run; if one is needed: mount -o remount,exec /tmp') TRANSLATED='/tmp 以 noexec 方式挂载：在其中自解压的工具无法运行；如有需要，请执行 mount -o remount,exec /tmp' ;;
	'iptables here writes nf_tables rules, but legacy tables are loaded, too (%s); remove the legacy rules (iptables-legacy -F) and reboot') TRANSLATED='本机的 iptables 使用 nf_tables，但同时加载了 legacy 表（%s）；请清除 legacy 规则（iptables-legacy -F）并重启' ;;
	'iptables here writes legacy rules, but there are nf_tables rules, too; choose one kind: update-alternatives --config iptables') TRANSLATED='本机的 iptables 使用 legacy 模式，但同时存在 nf_tables 规则；请统一为一种：update-alternatives --config iptables' ;;
	"firewalld runs and would drop the cluster's traffic; systemctl disable --now firewalld, or open it for the cluster's networks (%s) and ports (%s)") TRANSLATED='firewalld 正在运行，会丢弃集群流量；请执行 systemctl disable --now firewalld，或放行集群网段（%s）和端口（%s）' ;;
	"ufw is enabled and would drop the cluster's traffic; ufw disable, or allow the cluster's networks (%s) and ports (%s)") TRANSLATED='ufw 已启用，会丢弃集群流量；请执行 ufw disable，或放行集群网段（%s）和端口（%s）' ;;
	'iptables drops what no rule lets in: see that the ports %s are open to the other nodes') TRANSLATED='iptables 的 INPUT 默认策略为 DROP：请确认端口 %s 已对其他节点放行' ;;
	"iptables drops what is forwarded: see that the cluster's networks (%s) are let through") TRANSLATED='iptables 的 FORWARD 默认策略为 DROP：请确认集群网段（%s）已放行' ;;
	"nftables.service loads rules of its own: see that they let the cluster's networks (%s) and ports (%s) through") TRANSLATED='nftables.service 会加载自己的规则：请确认已放行集群网段（%s）和端口（%s）' ;;
	"%s runs; two of a kind take each other's ports, cgroups and rules: systemctl disable --now %s") TRANSLATED='%s 正在运行；两套同类程序会争用端口、cgroup 和防火墙规则；请停用：systemctl disable --now %s' ;;
	'SELinux enforces, and restorecon is missing; install policycoreutils, or setenforce 0') TRANSLATED='SELinux 处于 enforcing 模式，但缺少 restorecon；请安装 policycoreutils，或执行 setenforce 0' ;;
	"a route of this host leads into the cluster's networks: %s; remove the route, or give the cluster other networks (network.podCIDR, network.serviceCIDR)") TRANSLATED='本机有路由与集群网段重叠：%s；请删除该路由，或为集群改用其他网段（network.podCIDR、network.serviceCIDR）' ;;
	"there is no default route: programs that look for one to find this host's address fail; the kubelet is told %s; add a route if others need one") TRANSLATED='没有默认路由：依赖默认路由确定本机地址的程序会失败；kubelet 已指定使用 %s；如其他程序需要，请添加默认路由' ;;
	'cloud-init writes /etc/hosts anew at each boot (manage_etc_hosts in /etc/cloud); set it to false or localhost') TRANSLATED='cloud-init 每次启动都会重写 /etc/hosts（/etc/cloud 中的 manage_etc_hosts）；请将其设为 false 或 localhost' ;;

	# paths and room
	'%s is not a folder; move it away') TRANSLATED='%s 不是目录；请将其移走' ;;
	'%s is a link that leads out of %s; make it a relative link, or a folder') TRANSLATED='%s 是指向 %s 之外的链接；请改为相对链接或目录' ;;
	'%s is a folder where a %s must be; move it away') TRANSLATED='%s 是目录，但此处应为 %s 类型；请将其移走' ;;
	'%s is a device, pipe or socket; move it away') TRANSLATED='%s 是设备、管道或套接字；请将其移走' ;;
	'%s is not a plain file; make it one') TRANSLATED='%s 不是普通文件；请改为普通文件' ;;
	"%s: the lines '%s' and '%s' do not make one block; put them right") TRANSLATED='%s：标记行 %s 与 %s 没有构成一个完整的区块；请修正' ;;
	'%s needs %s MiB free and has %s MiB; make room') TRANSLATED='%s 需要 %s MiB 可用空间，现有 %s MiB；请清理空间' ;;
	'%s needs %s inodes free and has %s inodes; make room') TRANSLATED='%s 需要 %s 个可用 inode，现有 %s 个；请清理文件' ;;
	'something is mounted on %s; unmount it: umount %s') TRANSLATED='%s 上有挂载；请卸载：umount %s' ;;
	'something is mounted in %s: %s; unmount it') TRANSLATED='%s 中有挂载：%s；请先卸载（umount）' ;;
	'%s was a folder that we made and is a link now; put the folder back') TRANSLATED='%s 原是安装时创建的目录，现在成了链接；请恢复为目录' ;;
	'%s is a link; remove what it leads to by hand') TRANSLATED='%s 是链接；请手动删除它指向的内容' ;;

	# writing
	'%s could not be written') TRANSLATED='无法写入 %s' ;;
	'/var/lib/bundler/%s could not be written') TRANSLATED='无法写入 /var/lib/bundler/%s' ;;
	'%s could not be linked') TRANSLATED='无法创建链接 %s' ;;
	'%s could not be copied') TRANSLATED='无法复制 %s' ;;
	'%s could not be kept') TRANSLATED='无法保存 %s 的副本' ;;
	'%s could not be made') TRANSLATED='无法创建 %s' ;;
	'/var/lib/bundler could not be made') TRANSLATED='无法创建 /var/lib/bundler' ;;
	'%s could not be given mode %s') TRANSLATED='无法将 %s 的权限设为 %s' ;;
	'%s could not get its mode back') TRANSLATED='无法恢复 %s 的权限' ;;
	'%s could not be removed; by hand: ip link del %s; then run this again') TRANSLATED='无法删除 %s；请手动执行：ip link del %s，然后重新运行' ;;
	'the iptables chain %s could not be removed; a rule of someone else may jump to it: see iptables-save') TRANSLATED='无法删除 iptables 链 %s；可能有其他规则跳转到它：请查看 iptables-save' ;;
	'the image %s could not be removed; with containerd running: ctr -n k8s.io images rm %s') TRANSLATED='无法删除镜像 %s；请在 containerd 运行时执行：ctr -n k8s.io images rm %s' ;;
	'AppArmor is on, and apparmor_parser is missing: pods run without a profile, and those that ask for one do not start; install the package apparmor') TRANSLATED='AppArmor 已启用，但缺少 apparmor_parser：Pod 运行时没有配置文件，要求配置文件的 Pod 无法启动；请安装 apparmor 软件包' ;;
	'%s could not be removed') TRANSLATED='无法删除 %s' ;;
	'%s: what stood there before could not be kept') TRANSLATED='%s：无法保存安装前的原文件' ;;
	'the journal could not be closed') TRANSLATED='无法关闭 /var/lib/bundler 中的运行记录（journal）' ;;
	'the archive could not be written') TRANSLATED='无法写入归档文件' ;;
	'no temporary folder could be made; see that /tmp is there and has room') TRANSLATED='无法创建临时目录；请确认 /tmp 存在且有可用空间' ;;
	'the disk could not be written to (sync failed); look for its errors with dmesg, then run ./install.sh again') TRANSLATED='无法将数据写入磁盘（sync 失败）；请用 dmesg 检查磁盘错误，然后重新运行 ./install.sh' ;;
	'not what the manifest lists once it was copied: %s; nothing was put in place; copy the bundle again') TRANSLATED='复制后与 MANIFEST 不符：%s；没有替换任何文件；请重新拷贝安装包' ;;
	'what stood at %s is not whole any more in /var/lib/bundler/files; nothing was put there; put a copy of it, with that sha256, at /var/lib/bundler/files/%s, then run this again') TRANSLATED='/var/lib/bundler/files 中保存的 %s 的原文件已损坏；未做恢复；请将 sha256 一致的副本放到 /var/lib/bundler/files/%s，然后重新运行' ;;

	# kernel and units
	'the module %s could not be loaded; see: modprobe -v %s; dmesg') TRANSLATED='无法加载内核模块 %s；请用 modprobe -v %s 和 dmesg 查看原因' ;;
	'%s could not be set; see what forbids it (sysctl %s; dmesg), then run ./install.sh again') TRANSLATED='无法设置 %s；请用 sysctl %s 和 dmesg 查看原因，然后重新运行 ./install.sh' ;;
	'systemd-tmpfiles could not create what %s lists; see what it says above, then run ./install.sh again') TRANSLATED='systemd-tmpfiles 无法创建 %s 中列出的内容；请查看上面的输出，然后重新运行 ./install.sh' ;;
	'systemctl daemon-reload failed; see: journalctl -n 50; then run ./install.sh again') TRANSLATED='systemctl daemon-reload 执行失败；请用 journalctl -n 50 查看原因，然后重新运行 ./install.sh' ;;
	'%s could not be restarted; see: systemctl status %s') TRANSLATED='无法重启 %s；请用 systemctl status %s 查看原因' ;;
	'%s could not be started; see: systemctl status %s') TRANSLATED='无法启动 %s；请用 systemctl status %s 查看原因' ;;
	'%s could not be stopped; see: systemctl status %s') TRANSLATED='无法停止 %s；请用 systemctl status %s 查看原因' ;;
	'everything is installed, but not every unit is active; what they lack may be another host (etcd, the API server); put right what the lines above name, then run ./install.sh again') TRANSLATED='全部内容已安装，但并非所有单元都已运行；它们可能在等待其他主机（etcd、API server）；请解决上面列出的问题，然后重新运行 ./install.sh' ;;
	'generation %s did not come up within %s seconds, and generation %s is back; see the log: /var/log/bundler/install.log') TRANSLATED='第 %s 代未能在 %s 秒内启动，已回滚到第 %s 代；请查看日志：/var/log/bundler/install.log' ;;

	# other runs and generations
	'another run (process %s) is at work; wait for it') TRANSLATED='另一个安装进程（%s）正在运行；请等待它结束' ;;
	'another run is taking over; remove %s.takeover if there is none') TRANSLATED='另一个安装进程正在接管锁；如果并没有这样的进程，请删除 %s.takeover' ;;
	'another run has just begun; wait for it') TRANSLATED='另一个安装进程刚刚启动；请等待它结束' ;;
	'a run was interrupted; finish it (./install.sh resume) or undo it (./install.sh abort) first') TRANSLATED='有一次运行被中断；请先继续完成（./install.sh resume）或撤销（./install.sh abort）' ;;
	'the journal in /var/lib/bundler cannot be read; run ./install.sh abort') TRANSLATED='无法读取 /var/lib/bundler 中的运行记录（journal）；请运行 ./install.sh abort' ;;
	'the interrupted run was of another bundle (%s, Kubernetes %s); run resume with its install.sh, or run abort') TRANSLATED='被中断的运行属于另一个安装包（%s，Kubernetes %s）；请用那个安装包的 install.sh 运行 resume，或运行 abort' ;;
	'an uninstall cannot be undone, as it keeps no copy of what it removes; finish it with resume, then install again') TRANSLATED='卸载不保留被删除内容的副本，因此无法撤销；请用 resume 完成卸载，然后重新安装' ;;
	'nothing is installed here; run ./install.sh first') TRANSLATED='本机没有安装任何内容；请先运行 ./install.sh' ;;
	'there is no generation before %s; see ./install.sh generations') TRANSLATED='第 %s 代之前没有可回滚的一代；请用 ./install.sh generations 查看' ;;
	'there is no generation %s; see ./install.sh generations') TRANSLATED='没有第 %s 代；请用 ./install.sh generations 查看' ;;
	'generation %s cannot be gone back to') TRANSLATED='无法回滚到第 %s 代，请先解决以上问题' ;;
	'%s of that generation is not kept, nor in the bundle at hand; install its bundle itself') TRANSLATED='%s 在该代中的内容没有保留，当前安装包中也没有；请直接安装那一代的安装包' ;;
	'this host cannot be cleaned yet') TRANSLATED='本机暂时无法卸载，请先解决以上问题' ;;
	'not all data could be removed; reboot this host, then run ./install.sh uninstall --purge again') TRANSLATED='部分数据无法删除；请重启本机，然后再次运行 ./install.sh uninstall --purge' ;;
	'not everything can be repaired') TRANSLATED='部分内容无法修复，请先解决以上问题' ;;
	'[Commands] tar and gzip are needed; install them') TRANSLATED='[Commands] 缺少 tar 或 gzip；请安装' ;;
	*) return 1 ;;
	esac
}

# chinese_damage: the lines of verify_bundle on stdin
chinese_damage() {
	sed -e 's/: neither a file nor a folder$/：既不是文件也不是目录/' \
		-e 's/: missing$/：缺失/' \
		-e 's/: not listed in SHA256SUMS$/：未列入 SHA256SUMS/' \
		-e 's/: not in MANIFEST$/：未列入 MANIFEST/' \
		-e 's/: not what was built (its sha256 differs)$/：与构建时不一致（sha256 不同）/' \
		-e 's/^\(SHA256SUMS\): line \([0-9]*\) cannot be read$/\1：第 \2 行无法识别/' \
		-e 's/^MANIFEST: line \([0-9]*\): not a manifest of format 1$/MANIFEST：第 \1 行：不是格式 1 的清单/' \
		-e 's/^MANIFEST: line \([0-9]*\): unknown kind$/MANIFEST：第 \1 行：未知类型/' \
		-e 's/^MANIFEST: line \([0-9]*\): \(.*\) is not in the bundle with that sha256$/MANIFEST：第 \1 行：安装包中没有 sha256 相符的 \2/' \
		-e 's/^MANIFEST: line \([0-9]*\): \(.*\)cannot be read$/MANIFEST：第 \1 行：\2无法识别/'
}
