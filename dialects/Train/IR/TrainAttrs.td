//===- TrainAttrs.td - Attributes of the train dialect --------------------===//

#ifndef TRAIN_IR_TRAINATTRS_TD
#define TRAIN_IR_TRAINATTRS_TD

include "Train/IR/TrainDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

// A `frozen` variable is a parameter that is not trained: it starts and is read
// as one, and has no gradient, no moments and no update.
def Train_Role : I32EnumAttr<"Role", "What a variable is for", [
    I32EnumAttrCase<"parameter", 0>,
    I32EnumAttrCase<"gradient", 1>,
    I32EnumAttrCase<"moment1", 2>,
    I32EnumAttrCase<"moment2", 3>,
    I32EnumAttrCase<"scale", 4>,
    I32EnumAttrCase<"compute_weight", 5>,
    I32EnumAttrCase<"buffer", 6>,
    I32EnumAttrCase<"frozen", 7>,
    I32EnumAttrCase<"gradient_parts", 8>,
    I32EnumAttrCase<"mu", 9>]> {
  let cppNamespace = "::fp8c::train";
  let genSpecializedAttr = 0;
}
def Train_RoleAttr : EnumAttr<Train_Dialect, Train_Role, "role"> {
  let assemblyFormat = "`<` $value `>`";
}

// What a function of a program is: `train.function = #train.function<...>`.
//   forward    the graph on a batch
//   infer      the graph on one sample
//   eval       forward and the loss
//   micro      the loss of a micro-batch, whose gradients it adds up
//   update     what the optimizer does with the gradients
//   init       computes variables that follow from parameters
//   calibrate  forward, to find the first delayed scales
//   observe    what products of micro read
def Train_FunctionKind : I32EnumAttr<"FunctionKind", "What a function of a program is", [
    I32EnumAttrCase<"forward", 0>,
    I32EnumAttrCase<"infer", 1>,
    I32EnumAttrCase<"eval", 2>,
    I32EnumAttrCase<"micro", 3>,
    I32EnumAttrCase<"update", 4>,
    I32EnumAttrCase<"init", 5>,
    I32EnumAttrCase<"calibrate", 6>,
    I32EnumAttrCase<"observe", 7>,
    I32EnumAttrCase<"micro_last", 8>]> {
  let cppNamespace = "::fp8c::train";
  let genSpecializedAttr = 0;
}
def Train_FunctionKindAttr : EnumAttr<Train_Dialect, Train_FunctionKind, "function"> {
  let assemblyFormat = "`<` $value `>`";
}

// How a collective joins what processes have.
def Train_Reduction : I32EnumAttr<"Reduction", "How values are joined", [
    I32EnumAttrCase<"sum", 0>,
    I32EnumAttrCase<"max", 1>]> {
  let cppNamespace = "::fp8c::train";
  let genSpecializedAttr = 0;
}
def Train_ReductionAttr : EnumAttr<Train_Dialect, Train_Reduction, "reduction">;

// An argument of a program's function says what it holds with
// `train.input = #train.input<...>`; one without is given by `call` alone.
//   tokens        ids of a window of the token file, [batch, seq]
//   labels_next   of each of its tokens the next one, as label: nanoGPT's targets
//   labels_tokens the window's own tokens as labels: the graph shifts them, as
//                 Hugging Face's losses do, and no label counts in column 0
//   labels        labels that only a file can give, one per token: encoders
// Labels that are negative do not count.
def Train_Input : I32EnumAttr<"Input", "What an input of a function holds", [
    I32EnumAttrCase<"tokens", 0>,
    I32EnumAttrCase<"labels_next", 1>,
    I32EnumAttrCase<"labels_tokens", 2>,
    I32EnumAttrCase<"labels", 3>]> {
  let cppNamespace = "::fp8c::train";
  let genSpecializedAttr = 0;
}
def Train_InputAttr : EnumAttr<Train_Dialect, Train_Input, "input"> {
  let assemblyFormat = "`<` $value `>`";
}

// A result says what it is with `train.output = #train.output<...>`.
//   logits  scores of the next token for each token, [batch, seq, classes];
//           what labels of an encoder are compared with
//   loss    mean over the labels that count, a scalar f32
def Train_Output : I32EnumAttr<"Output", "What a result of a function is", [
    I32EnumAttrCase<"logits", 0>,
    I32EnumAttrCase<"loss", 1>]> {
  let cppNamespace = "::fp8c::train";
  let genSpecializedAttr = 0;
}
def Train_OutputAttr : EnumAttr<Train_Dialect, Train_Output, "output"> {
  let assemblyFormat = "`<` $value `>`";
}

def Train_Skeleton : I32EnumAttr<"Skeleton", "How a fused kernel runs over its elements", [
    I32EnumAttrCase<"map", 0>, I32EnumAttrCase<"rows", 1>, I32EnumAttrCase<"columns", 2>, I32EnumAttrCase<"sum", 3>]> {
  let cppNamespace = "::fp8c::train";
  let genSpecializedAttr = 0;
}
def Train_SkeletonAttr : EnumAttr<Train_Dialect, Train_Skeleton, "skeleton"> {
  let assemblyFormat = "`<` $value `>`";
}

def Train_Predicate : I32EnumAttr<"Predicate", "What a comparison asks of two elements", [
    I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>,
    I32EnumAttrCase<"le", 3>, I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]> {
  let cppNamespace = "::fp8c::train";
  let genSpecializedAttr = 0;
}
def Train_PredicateAttr : EnumAttr<Train_Dialect, Train_Predicate, "predicate">;

class Train_InitAttr<string name, string attrMnemonic> : AttrDef<Train_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Train_NormalInitAttr : Train_InitAttr<"NormalInit", "normal"> {
  let summary = "Independent draws from a normal distribution";
  let description = "Example: `#train.normal<mean = 0.0, stddev = 0.02>`";
  let parameters = (ins "::mlir::FloatAttr":$mean, "::mlir::FloatAttr":$stddev);
  let assemblyFormat = "`<` `mean` `=` custom<Number>($mean) `,` `stddev` `=` custom<Number>($stddev) `>`";
  let builders = [AttrBuilder<(ins "double":$mean, "double":$stddev), [{
    ::mlir::Builder builder($_ctxt);
    return $_get($_ctxt, builder.getF64FloatAttr(mean), builder.getF64FloatAttr(stddev));
  }]>];
}

def Train_ConstantInitAttr : Train_InitAttr<"ConstantInit", "constant"> {
  let summary = "One value everywhere";
  let description = "Example: `#train.constant<0.0>`";
  let parameters = (ins "::mlir::FloatAttr":$value);
  let assemblyFormat = "`<` custom<Number>($value) `>`";
  let builders = [AttrBuilder<(ins "double":$value), [{
    return $_get($_ctxt, ::mlir::Builder($_ctxt).getF64FloatAttr(value));
  }]>];
}

def Train_FileInitAttr : Train_InitAttr<"FileInit", "file"> {
  let summary = "Little-endian data that stands in a file";
  let description = [{
    A range of bytes, `offset` and `size` in bytes, of the file at `path`. Where
    a model has named that file, `folder` is the model's: the path must not
    leave it, by links neither. Floats are f32 in the file, or `as` it says:
    f64, f16 or bf16.
    Example: `#train.file<"gpt2.onnx", offset = 4096, size = 1179648 as f16>`
  }];
  let parameters = (ins StringRefParameter<"path">:$path, "uint64_t":$offset, "uint64_t":$size,
    StringRefParameter<"folder", [{""}]>:$folder, OptionalParameter<"::mlir::Type">:$type);
  let assemblyFormat = [{
    `<` $path `,` `offset` `=` $offset `,` `size` `=` $size (`as` $type^)? (`,` `folder` `=` $folder^)? `>`
  }];
  let builders = [AttrBuilder<(ins "::llvm::StringRef":$path, "uint64_t":$offset, "uint64_t":$size,
                                   "::llvm::StringRef":$folder), [{
    return $_get($_ctxt, path, offset, size, folder, ::mlir::Type());
  }]>];
  let extraClassDeclaration = [{
    /// Of the elements in the file, for a variable of elements of this type.
    ::mlir::Type getTypeInFile(::mlir::Type element);
  }];
}

def Train_PartAttr : Train_InitAttr<"Part", "part"> {
  let summary = "One of the model's parameters that are one variable here";
  let description = [{
    `size` of the joined dimension, and `init`, by the model's name. `product`: the name of the contraction that reads it in the model, which
    recipes may still choose it by; empty if none does. `file_name` and `transposed` as `train.file_name` and `train.transposed` of a variable.
  }];
  let parameters = (ins "::mlir::StringAttr":$name, "int64_t":$size, "::mlir::Attribute":$init,
    OptionalParameter<"::mlir::StringAttr">:$product,
    OptionalParameter<"::mlir::StringAttr">:$file_name,
    DefaultValuedParameter<"bool", "false">:$transposed);
  let extraClassDeclaration = [{
    /// The name of what belongs to the part, as `variable` does to `owner`,
    /// whose part it is: "q.weight.m" where "q+k.weight.m" does.
    std::string getNameOf(::llvm::StringRef variable, ::llvm::StringRef owner) const {
      variable.consume_front(owner);
      return (getName().getValue() + variable).str();
    }
  }];
  let assemblyFormat = "`<` $name `,` struct($size, $init, $product, $file_name, $transposed) `>`";
}

def Train_JoinedInitAttr : Train_InitAttr<"JoinedInit", "joined"> {
  let summary = "The model's parameters, one behind the other along a dimension";
  let description = [{
    The parts keep their names wherever a user meets them: in checkpoints, in what `call` takes and gives, in recipes.

    Example:
    ```mlir
    #train.joined<dim = 1, parts = [<"k.weight", size = 64, init = #train.constant<0.0>>, <"v.weight", size = 64, init = #train.constant<0.0>>]>
    ```
  }];
  let parameters = (ins "int64_t":$dim, ArrayRefParameter<"::fp8c::train::PartAttr">:$parts);
  let assemblyFormat = "`<` `dim` `=` $dim `,` `parts` `=` `[` $parts `]` `>`";
}

#endif // TRAIN_IR_TRAINATTRS_TD
