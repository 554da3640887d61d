using Pascl.Training;
using Pascl.Training.Checkpoints;
using TorchSharp;
using static Pascl.Tests.Training.Checkpoints.PyTorch.TorchFiles;

namespace Pascl.Tests.Training.Checkpoints.PyTorch;

/// <summary>Where the weights lie in what scripts save, and what lies beside them.</summary>
public sealed class StateDictionariesTests
{
    private static readonly string weights = Weights("conv1.weight");
    private static readonly string others = Weights("module.conv1.weight");
    private static readonly string optimiser =
        $"}}({Text("state")}}}K\0}}{Text("exp_avg")}{Tensor(4, 0, [4], [1])}ss{Text("param_groups")}]}}{Text("lr")}K\u0001sau";

    private TemporaryFolder folder = null!;

    [SetUp]
    public void SetUp() => folder = new TemporaryFolder();

    [TearDown]
    public void TearDown() => folder.Dispose();

    [TestCase("net")]
    [TestCase("model_state_dict")]
    [TestCase("ema")]
    [TestCase("params")]
    [TestCase("weights of mine")]
    public void the_only_dictionary_of_tensors_is_taken_whatever_its_key(string key) => Takes($"}}({Entry(key, weights)}{Text("epoch")}K\u0009u.");

    [Test]
    public void it_may_lie_deeper_in_a_list_and_beside_an_optimiser_and_a_tensor()
    {
        Takes($"}}{Entry("checkpoint", $"}}{Entry("model", $"}}{Entry("module", weights)}s")}s")}s.");
        Takes($"]{weights}a.");
        Takes($"}}({Entry("model", weights)}{Entry("optimizer", optimiser)}{Entry("rng", Tensor(4, 0, [4], [1]))}{Entry("loss", Weights("weight"))}u.");
        Takes($"}}({Entry("optimizer_states", $"]{optimiser}a")}{Entry("state_dict", weights)}u.");
    }

    [Test]
    public void the_same_dictionary_under_two_keys_is_one() => Takes($"}}({Text("state_dict")}{weights}q\u0007{Text("state_dict_ema")}h\u0007u.");

    [Test]
    public void of_several_one_is_named_by_its_key()
    {
        var path = Save($"}}({Entry("model", weights)}{Entry("averaged", $"}}{Entry("ema", others)}s")}u.");
        Refuses(path, null, "model (1 tensors), averaged.ema (1 tensors). Say with --key which to take, for example --key model");
        Assert.That(Names(path, "model"), Is.EqualTo(["conv1.weight"]));
        Assert.That(Names(path, "averaged.ema"), Is.EqualTo(["module.conv1.weight"]));
        Assert.That(Names(path, "averaged"), Is.EqualTo(["module.conv1.weight"]));
        Assert.That(Names(path, "averaged.ema.module"), Is.EqualTo(["conv1.weight"]));
        Refuses(path, "emma", "has no dictionary of tensors under emma, but: model (1 tensors), averaged.ema (1 tensors)");
    }

    [Test]
    public void a_dictionary_inside_itself_ends_the_search() => Refuses(Save($"}}q\0{Text("me")}h\0s."), null, "holds no tensors");

    // What torch.load(weights_only=True) takes beside the weights, in protocol 2 as torch.save writes it, and what scripts of numpy and argparse add.
    [TestCase("ctorch\ndevice\nX\u0003\0\0\0cpu\u0085R", TestName = "torch.device")]
    [TestCase("ctorch\nSize\nK\u0003K\u0004\u0086\u0085R", TestName = "torch.Size")]
    [TestCase("ctorch\nfloat32\n", TestName = "torch.dtype")]
    [TestCase("ctorch.serialization\n_get_layout\nX\u000d\0\0\0torch.strided\u0085R", TestName = "torch.layout")]
    [TestCase("c__builtin__\nset\n](K\u0001K\u0002e\u0085R", TestName = "set")]
    [TestCase("\u008f(K\u0001\u0090", TestName = "set of protocol 4")]
    [TestCase("c__builtin__\nfrozenset\n](K\u0001e\u0085R", TestName = "frozenset")]
    [TestCase("c__builtin__\nbytearray\nX\u0001\0\0\0aX\u0007\0\0\0latin-1\u0086R", TestName = "bytearray")]
    [TestCase("c__builtin__\ncomplex\nG\0\0\0\0\0\0\0\0G\0\0\0\0\0\0\0\0\u0086R", TestName = "complex")]
    [TestCase("ccollections\ndefaultdict\nc__builtin__\nlist\n\u0085R", TestName = "defaultdict(list)")]
    [TestCase("ccollections\nOrderedDict\n]]X\u0001\0\0\0aaK\u0001aa\u0085R", TestName = "OrderedDict of pairs")]
    [TestCase("cargparse\nNamespace\n)\u0081}X\u0002\0\0\0lrK\u0001sb", TestName = "Namespace")]
    [TestCase("cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\u0002\0\0\0f8\u0089\u0088\u0087R(K\u0003tbC\u000812345678\u0086R", TestName = "numpy.float64")]
    [TestCase("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\u0085C\u0001b\u0087R(K\u0001tb", TestName = "numpy.ndarray")]
    [TestCase("\u008a\u0009\0\0\0\0\0\0\0\0\u0001", TestName = "seed of 65 bits")]
    [TestCase("}NK\u0001s", TestName = "key None")]
    public void what_lies_beside_the_weights_is_read_and_not_used(string beside) => Takes($"}}({Entry("model", weights)}{Entry("beside", beside)}u.");

    [TestCase("_rebuild_parameter", "\u0088ccollections\nOrderedDict\n)R")]
    [TestCase("_rebuild_parameter_with_state", "\u0088ccollections\nOrderedDict\n)R}")]
    public void parameters_are_tensors(string function, string rest) =>
        Takes($"}}{Text("conv1.weight")}ctorch._utils\n{function}\n({Tensor(4, 0, [4], [1])}{rest}tRs.");

    [Test]
    public void tensors_with_attributes_and_those_of_old_versions_are_tensors()
    {
        var arguments = Tensor(4, 0, [4], [1])["ctorch._utils\n_rebuild_tensor_v2\n".Length..^1];
        Takes($"}}{Text("conv1.weight")}ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n{arguments}}}tRs.");
        Takes($"}}{Text("conv1.weight")}ctorch._utils\n_rebuild_tensor\n{arguments}Rs.");
    }

    [TestCase("cmodels.resnet\nResNet\n)\u0081}(X\u000b\0\0\0_parameters}X\u0008\0\0\0_buffers}ub.")]
    [TestCase("ctorch.nn.modules.container\nSequential\n)\u0081.")]
    [TestCase("}X\u0005\0\0\0modelcmodels.yolo\nModel\n)\u0081}X\u0001\0\0\0actorch.nn.modules.conv\nConv2d\n)\u0081sbs.")]
    public void a_whole_model_is_named(string opcodes) =>
        Refuses(Save(opcodes), null, "is a whole pickled model, which needs its Python code");

    private static string Weights(string name) => $"ccollections\nOrderedDict\n)R{Text(name)}{Tensor(4, 0, [4], [1])}s";

    private static string Entry(string key, string value) => Text(key) + value;

    private static IEnumerable<string> Names(string path, string? key)
    {
        using var file = TensorFiles.Open(path, key);
        return file.Tensors.Keys;
    }

    private void Takes(string opcodes)
    {
        using var file = TensorFiles.Open(Save(opcodes));
        Assert.That(file.Tensors.Keys, Is.EqualTo(["conv1.weight"]));
        using var target = torch.empty(4);
        file.ReadInto("conv1.weight", target);
        Assert.That(target.data<float>().ToArray(), Is.EqualTo(new[] { 1f, 2, 3, 4 }));
    }

    private string Save(string opcodes)
    {
        byte[] fourFloats = [0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, 128, 64];
        return folder.Write("made.pth", Zip(Pickle(opcodes), fourFloats));
    }

    private static void Refuses(string path, string? key, string expected) =>
        Assert.That(() => TensorFiles.Open(path, key), Throws.TypeOf<InputException>().With.Message.Contains(expected).And.Message.StartsWith(path));
}
