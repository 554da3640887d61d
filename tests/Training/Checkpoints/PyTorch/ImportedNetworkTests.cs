using System.Text;
using Pascl.Tests.Training.Deployment;
using Pascl.Training;
using Pascl.Training.Checkpoints;
using Pascl.Training.Checkpoints.PyTorch;
using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Tests.Training.Checkpoints.PyTorch;

public sealed class ImportedNetworkTests
{
    private TemporaryFolder folder = null!;
    private DisposeScope scope = null!;
    private DualBranchNetwork network = null!;

    [SetUp]
    public void SetUp() => (folder, scope, network) = (new TemporaryFolder(), torch.NewDisposeScope(), SmallNetworks.Create(2));

    [TearDown]
    public void TearDown()
    {
        network.Dispose();
        scope.Dispose();
        folder.Dispose();
    }

    [TestCase("resnet18", 4)]
    [TestCase("resnet34", 2)]
    [TestCase("resnet18-imagenet", 2)]
    [TestCase("resnet50", 2)]
    public void two_exported_files_give_the_network_back_bit_for_bit(string kind, int width)
    {
        using var exported = SmallNetworks.Create(width, classCount: 7, kind);
        var files = WeightExport.WriteTorch(Path.Combine(folder.Path, "model.pth"), exported);
        using var main = ImportedFile.Open(files[0]);
        Assert.That(main.Shape, Is.EqualTo(new NetworkShape(kind, width, 7)));
        Assert.That(SmallNetworks.Bytes(Filled(main.Shape, files[0], files[1])), Is.EqualTo(SmallNetworks.Bytes(exported)));
    }

    [Test]
    public void a_safetensors_file_gives_both_branches_back_bit_for_bit()
    {
        var path = Path.Combine(folder.Path, "model.safetensors");
        WeightExport.WriteSafetensors(path, network, new Dictionary<string, string> { ["format"] = "pt" });
        Assert.That(SmallNetworks.Bytes(Filled(Shape, path, null)), Is.EqualTo(SmallNetworks.Bytes(network)));
    }

    [TestCase("module.")]
    [TestCase("model.")]
    [TestCase("model.module.")]
    [TestCase("_orig_mod.")]
    [TestCase("module._orig_mod.")]
    [TestCase("_orig_mod.module.")]
    [TestCase("model._orig_mod.module.model.")]
    [TestCase("backbone.")]
    [TestCase("net.")]
    [TestCase("network.")]
    [TestCase("encoder.module.")]
    [TestCase("module.student.0.")]
    public void prefixes_of_wrappers_are_taken_off(string prefix)
    {
        var path = Write("wrapped.pth", Branch.Main, name => prefix + name);
        using var file = ImportedFile.Open(path);
        Assert.That((file.Matched, file.Unused.Count), Is.EqualTo((126, 0)));
        AssertMain(Filled(Shape, path, null));
    }

    [Test]
    public void wrappers_of_a_part_are_taken_off()
    {
        var path = Write("parts.pth", Branch.Main, name => name
            .Replace("layer1.", "layer1._orig_mod.", StringComparison.Ordinal).Replace("linear.", "linear.module.", StringComparison.Ordinal));
        AssertMain(Filled(Shape, path, null));
    }

    [Test]
    public void a_classifier_beside_a_wrapped_network_is_its_own()
    {
        var path = Write("split.pth", Branch.Main, name => name.StartsWith("linear", StringComparison.Ordinal) ? name : "encoder." + name);
        AssertMain(Filled(Shape, path, null));
    }

    [Test]
    public void of_two_networks_with_prefixes_one_is_chosen_by_a_key()
    {
        var more = network.state_dict().Select(entry => ($"teacher.{entry.Key}", torch.zeros_like(entry.Value))).ToArray();
        var path = Write("pair.pth", Branch.Main, name => "student." + name, more: more);
        Assert.That(() => ImportedFile.Open(path), Throws.TypeOf<InputException>().With.Message.Contains("student., teacher.. Say with --key"));
        using var file = ImportedFile.Open(path, key: "student");
        Assert.That((file.Matched, file.Unused.Count), Is.EqualTo((126, 0)));
        var both = Path.Combine(folder.Path, "pair.safetensors");
        WriteSafetensors(both, new() { ["a.conv1.weight"] = torch.ones(1), ["b.conv1.weight"] = torch.ones(1) });
        using var first = ImportedFile.Open(both, key: "a");
        Assert.That(first.Matched, Is.EqualTo(1));
        Assert.That(() => ImportedFile.Open(both, key: "c"), Throws.TypeOf<InputException>().With.Message.Contains("no weights under c. It has: a, b"));
    }

    [TestCase(torch.ScalarType.Float16, false)]
    [TestCase(torch.ScalarType.BFloat16, false)]
    [TestCase(torch.ScalarType.Float64, false)]
    [TestCase(torch.ScalarType.BFloat16, true)]
    [TestCase(torch.ScalarType.Float64, true)]
    public void weights_of_another_precision_are_converted(torch.ScalarType type, bool isSafetensors)
    {
        var path = isSafetensors ? Path.Combine(folder.Path, "other.safetensors") : Write("other.pth", Branch.Main, change: tensor => tensor.to(type));
        if (isSafetensors)
        {
            var state = network.state_dict();
            WriteSafetensors(path, state.ToDictionary(entry => entry.Key, entry => entry.Value.is_floating_point() ? entry.Value.to(type) : entry.Value));
        }

        using var file = ImportedFile.Open(path);
        Assert.That(file.Notes, Has.Exactly(1).Matches($"^\\d+ tensors of type {type} were converted to Float32"));
        using var imported = Filled(Shape, path, null);
        var (expected, actual) = (network.state_dict(), imported.state_dict());
        var names = AuthorsLayout.Names(expected.Keys);
        Assert.That(names.Where(name => !actual[name].eq(expected[name].to(type).to(expected[name].dtype)).all().item<bool>()), Is.Empty);
    }

    [Test]
    public void files_without_counts_of_batches_or_without_a_projection_are_taken_and_said_so()
    {
        var state = network.state_dict();
        using var stream = new MemoryStream();
        TorchWriter.Write(stream, [.. AuthorsLayout.Names(state.Keys)
            .Where(name => !name.EndsWith("num_batches_tracked", StringComparison.Ordinal) && !name.StartsWith("projection", StringComparison.Ordinal))
            .Select(name => (name, state[name]))]);
        var path = folder.Write("old.pth", stream.ToArray());
        using var file = ImportedFile.Open(path);
        Assert.That(file.Notes, Has.Exactly(1).Contains("no num_batches_tracked").And.Exactly(1).Contains("no projection"));
        using var imported = Filled(Shape, path, null);
        Assert.That(imported.state_dict()["layer1.0.conv1.weight"].eq(state["layer1.0.conv1.weight"]).all().item<bool>());
        Assert.That(imported.state_dict()["bn1.num_batches_tracked"].item<long>(), Is.Zero);
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    public void weights_that_are_no_numbers_are_refused(float value)
    {
        var path = Write("broken.pth", Branch.Main, replaced: ("bn1.running_var", torch.tensor(new[] { 1, value })));
        Assert.That(() => Filled(Shape, path, null), Throws.TypeOf<InputException>().With.Message.Contains("values in bn1.running_var that are not finite"));
    }

    [TestCase("quant.scale", "F8_E4M3", null)]
    [TestCase("step", "U64", null)]
    [TestCase("layer1.0.scale", "F8_E4M3", "holds layer1.0.scale as F8_E4M3, which is not read; convert the weights")]
    public void tensors_of_types_that_are_not_read_may_lie_beside_the_weights(string name, string type, string? expected)
    {
        var path = Path.Combine(folder.Path, "beside.safetensors");
        WriteSafetensors(path, network.state_dict().Append(new(name, torch.zeros(8, torch.uint8))).ToDictionary());
        var bytes = File.ReadAllBytes(path);

        // Eight bytes are eight numbers of F8 or one of U64.
        var (header, size) = (Encoding.UTF8.GetString(bytes, 8, (int)BitConverter.ToInt64(bytes)), BitConverter.ToInt64(bytes));
        var replaced = $"\"{type}\",\"shape\":[{(type == "U64" ? 1 : 8)}]";
        var changed = Encoding.UTF8.GetBytes(header.Replace("\"U8\",\"shape\":[8]", replaced, StringComparison.Ordinal));
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)changed.Length), .. changed, .. bytes.AsSpan(8 + (int)size)]);
        if (expected is not null)
        {
            Assert.That(() => ImportedFile.Open(path), Throws.TypeOf<InputException>().With.Message.Contains(expected));
            return;
        }

        using var file = ImportedFile.Open(path);
        Assert.That(file.Unused, Is.EqualTo([name]));
        Assert.That(SmallNetworks.Bytes(Filled(Shape, path, null)), Is.EqualTo(SmallNetworks.Bytes(network)));
    }

    [Test]
    public void of_many_misfits_eight_are_listed()
    {
        var path = Write("wide.pth", Branch.Main, change: tensor => tensor.shape is [2] ? torch.zeros(3) : tensor);
        var message = Assert.Throws<InputException>(() => Filled(Shape, path, null))!.Message;
        Assert.That(message.Split('\n'), Has.Length.EqualTo(10));
        Assert.That(message, Does.Match("and \\d+ more$"));
    }

    [Test]
    public void without_a_finetuned_file_the_auxiliary_branch_is_a_copy_of_the_main_branch()
    {
        var imported = Filled(Shape, Write("main.pth", Branch.Main), null);
        AssertMain(imported);
        var state = imported.state_dict();
        Assert.That(state["auxiliary_linear.weight"].eq(state["linear.weight"]).all().item<bool>());
        Assert.That(state["bn1.auxiliary.running_mean"].eq(state["bn1.running_mean"]).all().item<bool>());
    }

    [Test]
    public void a_classifier_called_aux_linear_is_taken_where_it_is_the_only_one()
    {
        var auxiliary = Write("auxiliary.pth", Branch.Auxiliary, name => name.Replace("linear.", "aux_linear.", StringComparison.Ordinal));
        Assert.That(SmallNetworks.Bytes(Filled(Shape, Write("main.pth", Branch.Main), auxiliary)), Is.EqualTo(SmallNetworks.Bytes(network)));
    }

    [TestCase("linear", "linear.weight")]
    [TestCase("aux_linear", "auxiliary_linear.weight")]
    public void of_two_classifiers_in_a_finetuned_file_one_must_be_chosen(string classifier, string expected)
    {
        var state = network.state_dict();
        var auxiliary = Write("auxiliary.pth", Branch.Auxiliary, more:
        [
            ("aux_linear.weight", state["auxiliary_linear.weight"]), ("aux_linear.bias", state["auxiliary_linear.bias"]),
        ], change: tensor => tensor.shape.SequenceEqual([5L, 16L]) ? state["linear.weight"] : tensor);
        Assert.That(() => ImportedFile.Open(auxiliary), Throws.TypeOf<InputException>().With.Message.Contains("say with --classifier"));

        var imported = Filled(Shape, Write("main.pth", Branch.Main), auxiliary, classifier);
        Assert.That(imported.state_dict()["auxiliary_linear.weight"].eq(state[expected]).all().item<bool>());
    }

    [Test]
    public void a_classifier_that_is_not_there_is_named() => Assert.That(
        () => ImportedFile.Open(Write("main.pth", Branch.Main), "aux_linear"),
        Throws.TypeOf<InputException>().With.Message.Contains("has no classifier aux_linear, only linear"));

    [Test]
    public void of_two_classifiers_in_the_first_phases_file_the_trained_one_is_taken_and_the_other_reported()
    {
        var path = Write("main.pth", Branch.Main, more: [("aux_linear.weight", torch.ones(5, 16)), ("aux_linear.bias", torch.ones(5))]);
        using var file = ImportedFile.Open(path, usual: ImportedFile.Linear);
        Assert.That(file.Unused, Is.EquivalentTo(["aux_linear.weight", "aux_linear.bias"]));
        using var imported = new DualBranchResNet(ResNetDepth.ResNet18, 5, 2);
        ImportedNetwork.Fill(imported, file, null);
        AssertMain(imported);
    }

    [Test]
    public void every_misfit_is_listed()
    {
        var path = Write("odd.pth", Branch.Main, name => name switch { "bn1.bias" => "rotation.bias", "layer1.0.bn1.bias" => "layer1.0.bn1.shift", _ => name },
            change: tensor => tensor.shape is [128] ? torch.zeros(64) : tensor);
        using var file = ImportedFile.Open(path);
        Assert.That(file.Unused, Is.EqualTo(["rotation.bias"]));
        using var target = SmallNetworks.Create(2, seed: 9);
        var before = SmallNetworks.Bytes(target);
        var message = Assert.Throws<InputException>(() => ImportedNetwork.Fill(target, file, null))!.Message;
        string[] expected =
        [
            path, "nothing was loaded", "missing: bn1.bias Float32 (2)", "missing: layer1.0.bn1.bias", "unexpected: layer1.0.bn1.shift Float32 (2)",
            "different: projection.2.bias is Float32 (64) in the file but must be Float32 (128)",
        ];
        Assert.That(expected, Is.All.Matches<string>(part => message.Contains(part, StringComparison.Ordinal)), message);
        Assert.That(SmallNetworks.Bytes(target), Is.EqualTo(before));
    }

    [Test]
    public void files_with_other_convolutions_are_not_put_together()
    {
        using var other = SmallNetworks.Create(2, seed: 2);
        var auxiliary = Write("auxiliary.pth", Branch.Auxiliary, from: other);
        Assert.That(
            () => Filled(Shape, Write("main.pth", Branch.Main), auxiliary), Throws.TypeOf<InputException>().With.Message.Contains("was not finetuned from"));
        using var wider = SmallNetworks.Create(3);
        auxiliary = Write("auxiliary.pth", Branch.Auxiliary, from: wider);
        Assert.That(
            () => Filled(Shape, Write("main.pth", Branch.Main), auxiliary), Throws.TypeOf<InputException>().With.Message.Contains("of width 3 with 5 classes"));
    }

    [Test]
    public void another_projection_in_the_finetuned_file_does_not_matter()
    {
        var auxiliary = Write("auxiliary.pth", Branch.Auxiliary, change: tensor => tensor.shape is [128, ..] ? torch.zeros_like(tensor) : tensor);
        Assert.That(SmallNetworks.Bytes(Filled(Shape, Write("main.pth", Branch.Main), auxiliary)), Is.EqualTo(SmallNetworks.Bytes(network)));
    }

    [TestCase("conv1.weight", new long[] { 64, 3, 7, 7 }, "conv1.weight is (64, 3, 7, 7) instead of")]
    [TestCase("conv1.weight", new long[] { 1000, 3, 3, 3 }, "must be (8000, 8000, 3, 3), not (16, 16, 3, 3)")]
    [TestCase("linear.weight", new long[] { 5, 2048 }, "classifier is (5, 2048) instead of (classes, 16)")]
    [TestCase("linear.weight", new long[] { 1, 16 }, "classifier is (1, 16)")]
    public void another_network_is_named_before_memory_is_taken_for_it(string name, long[] shape, string expected)
    {
        var path = Write("other.pth", Branch.Main, change: tensor => tensor, replaced: (name, torch.zeros(shape)));
        using var file = ImportedFile.Open(path);
        Assert.That(() => file.Shape, Throws.TypeOf<InputException>().With.Message.Contains(expected).And.Message.Contains("Nothing was written"));
    }

    [Test]
    public void a_network_of_other_blocks_is_named()
    {
        var bottleneck = Write("bottleneck.pth", Branch.Main, more: [("layer1.0.conv3.weight", torch.zeros(8, 2, 1, 1))]);
        using var file = ImportedFile.Open(bottleneck);
        Assert.That(() => file.Shape, Throws.TypeOf<InputException>().With.Message.Contains("it has 2, 2, 2, 2 blocks of three convolutions in layer1 to layer4"));
        using var short18 = ImportedFile.Open(Write("short.pth", Branch.Main, name => name.Replace("layer4.1", "layer5.1", StringComparison.Ordinal)));
        Assert.That(() => short18.Shape, Throws.TypeOf<InputException>().With.Message.Contains("it has 2, 2, 2, 1 blocks in layer1 to layer4"));
    }

    [TestCase("resnet18")]
    [TestCase("resnet34")]
    public void another_stem_is_named_as_the_difference_for_every_depth(string kind)
    {
        using var known = SmallNetworks.Create(2, network: kind);
        var path = Write("stem.pth", Branch.Main, replaced: ("conv1.weight", torch.zeros(2, 3, 7, 7)), from: known);
        using var file = ImportedFile.Open(path);
        Assert.That(() => file.Shape, Throws.TypeOf<InputException>().With.Message.Contains("its conv1.weight is (2, 3, 7, 7) instead of (width, 3, 3, 3)"));
    }

    [Test]
    public void torchvisions_classifier_is_called_fc_in_its_files()
    {
        using var exported = SmallNetworks.Create(2, network: "resnet50");
        using var file = TensorFiles.Open(WeightExport.WriteTorch(Path.Combine(folder.Path, "model.pth"), exported)[0], null);
        Assert.That(file.Tensors.Keys, Has.Member("fc.weight").And.Member("fc.bias").And.None.EqualTo("linear.weight"));
    }

    [Test]
    public void a_tensor_with_and_without_prefix_is_ambiguous() => Assert.That(
        () => ImportedFile.Open(Write("twice.pth", Branch.Main, more: [("module.bn1.bias", torch.zeros(2))])),
        Throws.TypeOf<InputException>().With.Message.Contains("which are the same tensor"));

    private static NetworkShape Shape => new("resnet18", 2, 5);

    // The network's own file of one branch, with changed names or tensors.
    private string Write(
        string name, Branch branch, Func<string, string>? rename = null, Func<torch.Tensor, torch.Tensor>? change = null,
        (string, torch.Tensor)[]? more = null, (string Name, torch.Tensor Tensor)? replaced = null, DualBranchNetwork? from = null)
    {
        var state = (from ?? network).state_dict();
        var tensors = AuthorsLayout.Names(state.Keys).Select(key =>
        {
            var tensor = state[AuthorsLayout.NameOf(key, branch, state.Keys)];
            return (rename?.Invoke(key) ?? key, replaced?.Name == key ? replaced.Value.Tensor : change?.Invoke(tensor) ?? tensor);
        });
        using var stream = new MemoryStream();
        TorchWriter.Write(stream, [.. tensors, .. more ?? []]);
        return folder.Write(name, stream.ToArray());
    }

    private static void WriteSafetensors(string path, Dictionary<string, torch.Tensor> tensors)
    {
        using var stream = File.Create(path);
        SafetensorsFile.Write(stream, tensors, new Dictionary<string, string>());
    }

    private static DualBranchNetwork Filled(NetworkShape shape, string main, string? auxiliary, string? classifier = null)
    {
        var imported = NetworkDefinition.Find(shape.Network).Create(new NetworkSettings(new NetworkHead(shape.ClassCount!.Value), shape.Width, Seed: 99));
        using var mainFile = ImportedFile.Open(main);
        using var auxiliaryFile = auxiliary is null ? null : ImportedFile.Open(auxiliary, classifier);
        ImportedNetwork.Fill(imported, mainFile, auxiliaryFile);
        return imported;
    }

    private void AssertMain(DualBranchNetwork imported)
    {
        var (expected, actual) = (SmallNetworks.Bytes(network), SmallNetworks.Bytes(imported));
        Assert.That(AuthorsLayout.Names(expected.Keys).Where(name => !actual[name].AsSpan().SequenceEqual(expected[name])), Is.Empty);
    }
}
